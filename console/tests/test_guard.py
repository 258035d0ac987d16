"""Guessing at passwords and tokens: who tried too often waits, and nobody else."""

from __future__ import annotations

import re
import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from console import guard
from endpoints.keys import make_token
from endpoints.tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
HERE, ELSEWHERE = "10.0.0.5", "10.0.0.6"


@pytest.fixture
def began():
    return time.monotonic()


@pytest.fixture
def grace():
    return UserFactory(username="grace")


def browser(address=HERE):
    return Client(REMOTE_ADDR=address)


def enter(client, password=PASSWORD, name="grace", **more):
    return client.post("/sign-in/", {"username": name, "password": password, **more})


def rest_of_five_minutes(answer, began):
    """Whether it says to wait for what is left of them since the first try."""
    passed = time.monotonic() - began
    return 299 - passed <= int(answer["Retry-After"]) <= 300


def guess(times, name="grace", address=HERE):
    """The statuses that wrong passwords are answered with."""
    return [enter(browser(address), "nope", name).status_code for _ in range(times)]


def test_a_few_wrong_ones_then_a_wait(grace, began):
    assert guess(5) == [200] * 5
    answer = enter(browser())
    assert answer.status_code == 429
    assert rest_of_five_minutes(answer, began)
    page = answer.content.decode()
    assert "There were too many wrong passwords. Wait 5 min, then try again." in page
    assert 'role="alert"' in page
    assert 'value="grace"' in page


def test_the_wait_says_nothing_of_who_has_an_account(grace):
    guess(5)
    guess(5, "nobody")
    known, unknown = enter(browser()), enter(browser(), "nope", "nobody")
    assert known.status_code == unknown.status_code == 429

    def words(answer):
        page = answer.content.decode()
        return re.sub(r'value="[^"]*"', "", page)

    assert words(known) == words(unknown)


def test_capitals_and_lookalikes_are_the_same_name(grace):
    for name in ("grace", "GRACE", "Grace", "ｇｒａｃｅ", "gracE"):
        guess(1, name)
    assert guess(1) == [429]


def test_others_at_the_same_address_go_on(grace):
    UserFactory(username="linus")
    guess(5)
    assert enter(browser(), name="linus").status_code == 302


def test_she_herself_elsewhere_goes_on(grace):
    guess(9)
    assert enter(browser(ELSEWHERE)).status_code == 302


def test_a_right_one_starts_anew(grace):
    guess(4)
    assert enter(browser()).status_code == 302
    assert guess(5) == [200] * 5
    assert guess(1) == [429]


def test_no_account_is_guessed_at_from_everywhere(grace):
    statuses = [guess(1, address=f"10.1.{n // 200}.{n % 200}")[0] for n in range(60)]
    assert statuses == [200] * 50 + [429] * 10


def test_no_address_guesses_at_everybody():
    statuses = [guess(1, name=f"person{n}")[0] for n in range(60)]
    assert statuses == [200] * 50 + [429] * 10
    assert guess(1, "person0", ELSEWHERE) == [200]


def test_an_account_of_ones_own_buys_no_more_guesses(grace):
    """Signing in to it takes off one try, the one that was right."""
    UserFactory(username="mallory")
    statuses = []
    for number in range(60):
        enter(browser(), name="mallory")
        statuses += guess(1, f"person{number}")
    assert statuses == [200] * 50 + [429] * 10


def test_a_browser_that_knows_her_is_kept_out_by_nobody(grace):
    hers = browser()
    assert enter(hers).status_code == 302
    hers.post("/sign-out/")
    for number in range(12):
        guess(9, address=f"10.2.0.{number}")
    guess(60, "others")
    assert enter(browser()).status_code == 429
    assert enter(hers).status_code == 302


def test_and_guesses_no_more_than_others(grace):
    hers = browser()
    enter(hers)
    hers.post("/sign-out/")
    statuses = [enter(hers, "nope").status_code for _ in range(12)]
    assert statuses == [200] * 10 + [429] * 2


def test_it_knows_her_and_nobody_else(grace):
    UserFactory(username="linus")
    hers = browser()
    enter(hers)
    hers.post("/sign-out/")
    statuses = [enter(hers, "nope", "linus").status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]


@pytest.mark.parametrize("made_up", ["", "x", "grace.x:y:z", "a" * 4000, "ü:1"])
def test_what_it_shows_cannot_be_made_up(grace, made_up):
    guess(5)
    client = browser()
    client.cookies["alight_known"] = made_up
    assert enter(client).status_code == 429


def test_the_cookie_is_for_the_console_alone(grace, settings):
    client = browser()
    enter(client)
    cookie = client.cookies["alight_known"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert not cookie["domain"]
    assert "grace" not in cookie.value
    settings.SESSION_COOKIE_SECURE = True
    enter(other := browser())
    assert other.cookies["alight_known"]["secure"]


def test_admins_sign_in_at_the_same_door():
    UserFactory(username="root", is_staff=True, is_superuser=True)
    client = browser()
    asked = client.get("/admin/", follow=True)
    assert asked.redirect_chain[-1][0] == "/sign-in/?next=/admin/"
    for _ in range(5):
        client.post(
            "/admin/login/?next=/admin/", {"username": "root", "password": "nope"}
        )
    # Nothing is asked there, so nothing can be guessed there.
    assert enter(client, name="root", next="/admin/").url == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_who_may_not_see_the_admin_is_told_so(grace):
    client = browser()
    enter(client)
    answer = client.get("/admin/", follow=True)
    assert answer.status_code == 403
    assert "This is not open to you" in answer.content.decode()


def test_the_admin_leads_nowhere_else(client):
    answer = client.get("/admin/login/?next=https://evil.example/admin/")
    assert answer.url == "/sign-in/?next=/admin/"


# --- On the machine ----------------------------------------------------------------
@pytest.mark.valkey
def test_whoever_runs_the_machine_ends_a_wait(grace, valkey):
    guess(5)
    guess(5, "nobody")
    assert enter(browser()).status_code == 429
    said = StringIO()
    call_command("allow_sign_in", "grace", stdout=said)
    assert said.getvalue() == "grace may sign in now. Counts that ended: 2.\n"
    assert enter(browser()).status_code == 302
    assert guess(1, "nobody") == [429]
    call_command("allow_sign_in", stdout=said)
    assert guess(1, "nobody") == [200]


def test_and_is_told_when_that_cannot_be(settings, tmp_path):
    settings.ALIGHT_VALKEY_URL = f"unix://{tmp_path}/none.sock"
    with pytest.raises(CommandError, match="Valkey does not answer"):
        call_command("allow_sign_in")


@pytest.mark.valkey
def test_no_name_and_no_password_is_kept_in_valkey(grace, valkey):
    guess(3, "hunter2-typed-in-the-wrong-field")
    keys = valkey.keys("alight:tries:*")
    assert len(keys) == 3
    assert not any("hunter2" in key for key in keys)


def test_what_is_said_in_the_log(grace, caplog):
    guess(6)
    assert "Too many wrong passwords from 10.0.0.5: asked to wait" in caplog.text
    assert "grace" not in caplog.text


# --- Tokens ------------------------------------------------------------------------
def shown(token, address=HERE):
    headers = {"authorization": f"Bearer {token}"}
    return Client(REMOTE_ADDR=address, headers=headers).get("/v1/account")


def test_wrong_tokens_are_counted_by_address(grace, began):
    statuses = [shown(f"alt_{n:040}").status_code for n in range(62)]
    assert statuses == [401] * 60 + [429] * 2
    answer = shown("alt_wrong")
    error = answer.json()["error"]
    assert error["code"] == "too_many_tries"
    assert error["message"] == (
        "Too many tokens from your address were not valid. Wait 5 min, then send one "
        "that is."
    )
    assert rest_of_five_minutes(answer, began)
    assert shown("alt_wrong", ELSEWHERE).status_code == 401


def test_a_valid_token_passes_whatever_others_sent(grace):
    _, token = make_token(grace, "ci")
    for number in range(70):
        shown(f"alt_{number:040}")
    assert shown(token).status_code == 200


def test_metrics_too(grace):
    for number in range(60):
        shown(f"alt_{number:040}")
    client = Client(REMOTE_ADDR=HERE, headers={"authorization": "Bearer alt_x"})
    assert client.get("/metrics").status_code == 429


def test_every_way_in_that_takes_a_password_is_counted():
    """Whoever adds another has to count there as well."""
    from django.contrib.auth.forms import AuthenticationForm
    from django.contrib.auth.views import LoginView
    from django.urls import get_resolver

    def views(patterns):
        for one in patterns:
            if hasattr(one, "url_patterns"):
                yield from views(one.url_patterns)
            else:
                yield getattr(one.callback, "view_class", None)

    doors = {
        view
        for view in views(get_resolver().url_patterns)
        if view and issubclass(view, LoginView)
    }
    assert {view.authentication_form for view in doors} == {guard_form()}
    assert issubclass(guard_form(), AuthenticationForm)


def guard_form():
    from console.forms import SignInForm

    return SignInForm


def test_limits_are_what_the_documentation_says():
    from django.conf import settings

    text = (settings.BASE_DIR / "docs" / "access.md").read_text()
    for limit in (guard.HERE, guard.ACCOUNT, guard.ADDRESS, guard.BROWSER):
        assert f"| {limit.most} in {limit.seconds // 60} min |" in text
