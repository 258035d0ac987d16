"""Passes: a ticket is good once and for a minute; the cookie ends with the session."""

from datetime import timedelta

import pytest
from django.contrib.auth import login
from django.test import RequestFactory
from django.utils import timezone

from endpoints import passes
from endpoints.grants import grants_of
from endpoints.models import Pass
from endpoints.passes import digest_of, own_path
from endpoints.sessions import SessionStore
from endpoints.tests.factories import EndpointFactory
from endpoints.tests.gates import at_once, gates

__all__ = ["at_once", "gates"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def art(alice, gates):
    endpoint = EndpointFactory(name="art", owner=alice)
    gates.open(endpoint)
    return endpoint


@pytest.fixture
def later():
    return timezone.now() + timedelta(days=14)


@pytest.fixture
def enter(art, alice, later, at_once):
    """Alice's browser of this name goes to the endpoint and comes in."""

    def come(browser="laptop", person=alice, endpoint=art):
        ticket = passes.hand_over(endpoint, person, browser, later)
        return at_once(passes.redeem, endpoint.name, ticket)

    return come


def listed(endpoint):
    """What the next sync would tell the ingress."""
    return {grant.digest for grant in grants_of(endpoint)}


def test_a_ticket_becomes_a_cookie_that_the_ingress_knows(art, gates, enter, later):
    admission = enter()
    digest = digest_of(admission.cookie)
    assert admission.until == later
    assert gates.let_in(art) == listed(art) == {digest}
    assert gates.until(art, digest) == int(later.timestamp())
    row = Pass.objects.values().get()
    assert admission.cookie not in str(row)


def test_a_ticket_itself_opens_nothing(art, alice, gates, later):
    ticket = passes.hand_over(art, alice, "laptop", later)
    assert listed(art) == gates.let_in(art) == set()
    assert ticket not in str(Pass.objects.values().get())


def test_a_ticket_is_good_once(art, alice, later):
    ticket = passes.hand_over(art, alice, "laptop", later)
    assert passes.redeem("art", ticket)
    assert passes.redeem("art", ticket) is None


def test_a_ticket_is_good_for_a_minute(art, alice, later, time_machine):
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    first, second = (passes.hand_over(art, alice, "laptop", later) for _ in range(2))
    time_machine.move_to(start + timedelta(seconds=59), tick=False)
    assert passes.redeem("art", first)
    time_machine.move_to(start + timedelta(seconds=61), tick=False)
    assert passes.redeem("art", second) is None


@pytest.mark.parametrize("ticket", ["", "x", "\ud83d", "alt_" + "x" * 4000])
def test_what_is_no_ticket(art, ticket):
    assert passes.redeem("art", ticket) is None


def test_a_ticket_of_another_endpoint(art, alice, later):
    other = EndpointFactory(name="chat", owner=alice)
    ticket = passes.hand_over(other, alice, "laptop", later)
    assert passes.redeem("art", ticket) is None


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_superuser": False}])
def test_a_ticket_of_someone_who_may_no_longer_see_it(art, people, later, change):
    root = people("root", is_superuser=True)
    ticket = passes.hand_over(art, root, "laptop", later)
    type(root).objects.filter(pk=root.pk).update(**change)
    assert passes.redeem("art", ticket) is None


def test_a_ticket_of_an_endpoint_that_goes(art, alice, later):
    ticket = passes.hand_over(art, alice, "laptop", later)
    type(art).objects.update(deleting=True)
    assert passes.redeem("art", ticket) is None


def test_of_many_tabs_of_one_browser_the_newest_four_count(art, gates, enter):
    cookies = [digest_of(enter().cookie) for _ in range(6)]
    other = digest_of(enter("phone").cookie)
    assert gates.let_in(art) == listed(art) == {*cookies[2:], other}


def test_an_ingress_that_is_away_hears_of_it_later(art, gates, enter):
    gates.ingress.reachable = False
    admission = enter()
    assert gates.let_in(art) == set()
    assert listed(art) == {digest_of(admission.cookie)}


def test_a_pass_without_a_browser(art, alice, gates, at_once, later):
    admission = at_once(passes.issue, art, alice, later)
    assert gates.let_in(art) == listed(art) == {digest_of(admission.cookie)}
    at_once(passes.end, admission)
    assert gates.let_in(art) == listed(art) == set()


# --- Ends --------------------------------------------------------------------
def request_of(session):
    request = RequestFactory().get("/")
    request.session = session
    return request


def test_signing_out_ends_what_this_session_opened(art, gates, enter, at_once):
    here, there = request_of(SessionStore()), request_of(SessionStore())
    enter(passes.browser_of(here))
    kept = digest_of(enter(passes.browser_of(there)).cookie)
    at_once(here.session.flush)
    assert gates.let_in(art) == listed(art) == {kept}


def test_signing_out_takes_tickets_along(art, alice, later, at_once):
    here = request_of(SessionStore())
    ticket = passes.hand_over(art, alice, passes.browser_of(here), later)
    at_once(here.session.flush)
    assert passes.redeem("art", ticket) is None


def test_a_session_whose_key_is_renewed_is_the_same_browser():
    session = SessionStore()
    before = passes.browser_of(request_of(session))
    session.cycle_key()
    assert passes.browser_of(request_of(session)) == before


def test_a_session_without_a_pass_ends_as_well(at_once):
    at_once(SessionStore().flush)


@pytest.fixture
def came_in(client, art, alice, gates, at_once):
    """Alice's browser is signed in to the console and has come in at the endpoint."""
    client.force_login(alice)
    at = client.get("/hand-over/art/").url
    ticket = at.partition("ticket=")[2].partition("&")[0]
    at_once(passes.redeem, "art", ticket)
    assert len(gates.let_in(art)) == 1
    return client


def test_the_console_says_so_when_somebody_signs_out(came_in, art, gates, at_once):
    at_once(came_in.post, "/sign-out/")
    assert gates.let_in(art) == listed(art) == set()


def test_signing_in_over_somebodys_session_ends_what_it_opened(
    came_in, art, people, gates, at_once
):
    # As any form does that asks somebody who is signed in for another name.
    request = request_of(came_in.session)
    root = people("root")
    at_once(login, request, root)
    assert request.session["_auth_user_id"] == str(root.pk)
    assert gates.let_in(art) == listed(art) == set()


def test_a_new_password_ends_them_all(art, alice, gates, enter, at_once):
    enter()
    alice.set_password("another secret")
    at_once(alice.save)
    assert gates.let_in(art) == listed(art) == set()


def test_signing_in_ends_none(client, art, alice, gates, enter, at_once):
    kept = digest_of(enter().cookie)
    at_once(client.login, username="alice", password="alice-secret")
    alice.refresh_from_db()
    alice.email = "alice@lab.example"
    at_once(alice.save)
    assert gates.let_in(art) == listed(art) == {kept}


def test_someone_who_may_not_sign_in_any_longer(art, alice, gates, enter, at_once):
    from endpoints.keys import make_token

    enter()
    at_once(make_token, alice, "ci")
    assert len(gates.let_in(art)) == 2
    alice.is_active = False
    at_once(alice.save)
    assert gates.let_in(art) == listed(art) == set()


def test_someone_who_is_no_superuser_any_longer(art, people, gates, enter, at_once):
    root = people("root", is_superuser=True)
    kept, lost = enter(), enter("phone", root)
    assert gates.let_in(art) == {digest_of(one.cookie) for one in (kept, lost)}
    root.is_superuser = False
    at_once(root.save)
    assert gates.let_in(art) == listed(art) == {digest_of(kept.cookie)}


def test_dead_rows_go_after_a_while(art, alice, later, enter, time_machine):
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    alive = enter("phone")
    passes.hand_over(art, alice, "laptop", later)  # never taken
    gone = enter()
    passes.end(gone)
    time_machine.move_to(start + timedelta(minutes=59), tick=False)
    passes.hand_over(art, alice, "laptop", later)
    assert Pass.objects.count() == 4
    time_machine.move_to(start + timedelta(minutes=61), tick=False)
    passes.hand_over(art, alice, "laptop", later)
    assert Pass.objects.count() == 3
    assert Pass.objects.filter(digest=digest_of(alive.cookie)).exists()


# --- Where it goes on ----------------------------------------------------------
@pytest.mark.parametrize(
    "path", ["/", "/a/b?c=d&e=%20f", "/%2F%2Felsewhere", "/ä b?x=http://y/#z", "/-/x"]
)
def test_a_path_of_the_same_host(path):
    assert own_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        "//elsewhere.example",
        "/\\elsewhere.example",
        "/a\\..\\b",
        "http://elsewhere.example/",
        "javascript:alert(1)",
        "/\t/elsewhere.example",
        "/a\r\nSet-Cookie: x=y",
        " /a",
        "/a\n",
        "/" + "x" * 8001,
    ],
)
def test_anything_else_leads_to_the_first_page(path):
    assert own_path(path) == "/"


def test_a_stranger_with_no_ticket_takes_no_write_lock(art, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert passes.redeem(art.name, "made-up") is None
