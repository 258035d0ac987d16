"""What the console answers on endpoints' hosts, and the way there and back."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.utils import timezone

from endpoints import passes, sharing
from endpoints.models import Pass
from endpoints.passes import digest_of
from endpoints.tests.factories import EndpointFactory
from endpoints.tests.gates import at_once, gates

__all__ = ["at_once", "gates"]

pytestmark = pytest.mark.django_db

DEEP = "/run/predict?text=a b&n=1"


@pytest.fixture
def art(alice, gates):
    endpoint = EndpointFactory(name="art", owner=alice)
    gates.open(endpoint)
    return endpoint


@pytest.fixture
def edge(client, at_once):
    """GET on the host of `art`, as the ingress passes it on."""

    def get(path, query=(), grant="", accept="*/*", name="art"):
        headers = {"X-Alight-Endpoint": name, "Accept": accept}
        if grant:
            headers["X-Alight-Grant"] = grant
        return at_once(client.get, f"/-/alight/{path}", dict(query), headers=headers)

    return get


def query_of(answer):
    return {key: one for key, (one,) in parse_qs(urlsplit(answer.url).query).items()}


@pytest.fixture
def still(time_machine):
    """The clock, from before she is sent there."""
    time_machine.move_to(timezone.now(), tick=False)


@pytest.fixture
def handed_over(client, alice, art):
    """Alice, signed in, was sent to the console; the answer she gets there."""
    client.force_login(alice)
    return client.get("/hand-over/art/", {"to": DEEP})


# --- The console's side ---------------------------------------------------------
def test_a_person_signed_in_goes_back_with_a_ticket(handed_over, art):
    answer = handed_over
    assert answer.status_code == 302
    assert answer.url.startswith(f"{art.url}/-/alight/enter?")
    assert query_of(answer).keys() == {"ticket", "to"}
    assert query_of(answer)["to"] == DEEP
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer["Cache-Control"]
    assert Pass.objects.get().ticket == digest_of(query_of(answer)["ticket"])


def test_it_ends_with_the_session(still, client, handed_over):
    ends = Pass.objects.get().expires_at
    session = client.session.get_expiry_date()
    assert abs(ends - session) < timedelta(seconds=5)


def test_a_stranger_signs_in_first_and_loses_nothing(client, alice, art):
    asked = client.get("/hand-over/art/", {"to": DEEP})
    assert asked.url.startswith("/sign-in/?next=")
    wanted = query_of(asked)["next"]
    form = {"username": "alice", "password": "alice-secret", "next": wanted}
    answer = client.post("/sign-in/", form, follow=True)
    # A page in between: a form must not lead to another host.
    assert answer.status_code == 200
    page = answer.content.decode()
    assert 'http-equiv="refresh"' in page
    assert f"{art.url}/-/alight/enter?ticket=" in page
    assert "to=%2Frun%2Fpredict%3Ftext%3Da+b%26n%3D1" in page
    assert answer["Referrer-Policy"] == "no-referrer"


def test_other_signing_in_stays_as_it_was(client, alice):
    form = {"username": "alice", "password": "alice-secret", "next": "/tokens/"}
    assert client.post("/sign-in/", form).url == "/tokens/"


def test_someone_elses_endpoint_is_not_there(client, charlie, art):
    client.force_login(charlie)
    assert client.get("/hand-over/art/").status_code == 404
    assert not Pass.objects.exists()


def test_neither_is_one_that_is_being_deleted(client, alice):
    EndpointFactory(name="gone", owner=alice, deleting=True)
    client.force_login(alice)
    assert client.get("/hand-over/gone/").status_code == 404


def test_a_superuser_may_see_all(client, people, art):
    client.force_login(people("root", is_superuser=True))
    assert client.get("/hand-over/art/").url.startswith(f"{art.url}/-/alight/enter")


def test_another_site_is_no_place_to_go(client, alice, art):
    client.force_login(alice)
    answer = client.get("/hand-over/art/", {"to": "//elsewhere.example/"})
    assert query_of(answer)["to"] == "/"


# --- The endpoint's side ----------------------------------------------------------
def test_the_ticket_is_changed_for_a_cookie_of_that_host(edge, handed_over, art, gates):
    answer = edge("enter", query_of(handed_over))
    assert answer.status_code == 302
    assert answer.url.startswith("/-/alight/enter?to=%2Frun%2Fpredict")
    cookie = answer.cookies["alight_pass"]
    shown = edge("enter", query_of(answer), grant=digest_of(cookie.value))
    assert shown.url == "/run/predict?text=a%20b&n=1"
    assert gates.let_in(art) == {digest_of(cookie.value)}
    assert (cookie["domain"], cookie["path"]) == ("", "/")
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert not cookie["secure"]
    assert 13 * 86400 < cookie["max-age"] <= 14 * 86400
    assert answer.cookies.keys() == {"alight_pass"}
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer["Cache-Control"]


def test_on_https_the_cookie_is_the_hosts_alone(edge, handed_over, settings):
    settings.ALIGHT_SCHEME = "https"
    settings.ALIGHT_PASS_COOKIE = "__Host-alight_pass"
    cookie = edge("enter", query_of(handed_over)).cookies["__Host-alight_pass"]
    assert cookie["secure"]
    assert (cookie["domain"], cookie["path"]) == ("", "/")


def test_a_ticket_that_was_taken_leads_to_a_new_one(edge, handed_over):
    query = query_of(handed_over)
    edge("enter", query)
    again = edge("enter", query)
    port = settings.ALIGHT_PORT
    assert again.url.startswith(f"http://localhost:{port}/hand-over/art/?to=")
    assert query_of(again) == {"to": DEEP}
    assert not again.cookies


def test_who_is_in_already_just_goes_on(edge, handed_over, art):
    query = query_of(handed_over)
    cookie = edge("enter", query).cookies["alight_pass"].value
    again = edge("enter", query, grant=digest_of(cookie))
    assert again.url == "/run/predict?text=a%20b&n=1"
    assert not again.cookies


def test_a_browser_that_keeps_no_cookie_is_told(edge, handed_over, link):
    for given in (edge("enter", query_of(handed_over)), edge(link[1])):
        refused = edge("enter", query_of(given), accept="text/html")
        assert refused.status_code == 403
        assert "Your browser keeps no cookie here" in refused.content.decode()
        assert "/static/" not in refused.content.decode()
        assert edge("enter", query_of(given)).json()["error"]["code"] == "no_cookie"


def test_it_never_leads_to_another_site(edge, handed_over):
    query = {**query_of(handed_over), "to": "//elsewhere.example/"}
    given = edge("enter", query)
    assert query_of(given)["to"] == "/"
    crafted = {"to": "//elsewhere.example/", "given": "1"}
    assert edge("enter", crafted, grant="ABC").url == "/"


# --- Links --------------------------------------------------------------------------
@pytest.fixture
def link(art, alice, at_once):
    """A link to `art` for a week: its row, and what comes after the host."""
    ends = timezone.now() + timedelta(days=7)
    row, address = at_once(sharing.share, art, alice, ends, "grace")
    return row, address.removeprefix(f"{art.url}/-/alight/")


def test_a_link_lets_a_browser_in(edge, link, art, gates):
    row, path = link
    answer = edge(path)
    assert answer.status_code == 302
    assert query_of(answer)["to"] == "/"
    digest = digest_of(answer.cookies["alight_pass"].value)
    assert digest in gates.let_in(art)
    assert gates.until(art, digest) == int(row.expires_at.timestamp())
    row.refresh_from_db()
    assert row.last_used_at is not None


def test_a_link_can_lead_further(edge, link):
    assert query_of(edge(link[1], {"to": "/docs"}))["to"] == "/docs"
    assert query_of(edge(link[1], {"to": "//elsewhere.example"}))["to"] == "/"
    assert edge(link[1], {"to": "/docs"}, grant="ABC").url == "/docs"


def test_the_owner_keeps_what_she_shows(edge, link):
    assert not edge(link[1], grant="ABC123").cookies
    assert edge(link[1], grant="public").cookies


def test_a_revoked_link_says_so(edge, link, at_once, gates, art):
    at_once(sharing.unshare, link[0], "alice")
    assert gates.let_in(art) == set()
    page = edge(link[1], accept="text/html,*/*")
    assert page.status_code == 410
    assert "This link does not open any more" in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    # The host has none of the console's files; its style is in the page.
    assert "/static/" not in page.content.decode()
    assert "style-src 'sha256-" in page["Content-Security-Policy"]
    told = edge(link[1]).json()["error"]
    assert (told["code"], told["endpoint"]) == ("link_ended", "art")


def test_an_expired_link(edge, link, time_machine):
    time_machine.move_to(link[0].expires_at - timedelta(seconds=1), tick=False)
    assert edge(link[1]).status_code == 302
    time_machine.move_to(link[0].expires_at, tick=False)
    assert edge(link[1]).status_code == 410


def test_a_link_of_another_endpoint(edge, link, alice):
    EndpointFactory(name="chat", owner=alice)
    assert edge(link[1], name="chat").status_code == 410


# --- Elsewhere ------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["enter", "share/abcdefgh", "anything", ""])
def test_nothing_of_it_is_on_the_consoles_own_host(client, path):
    assert client.get(f"/-/alight/{path}").status_code == 404


def test_an_unknown_address_says_so_without_the_consoles_files(edge):
    page = edge("nope", accept="text/html")
    assert page.status_code == 404
    assert "/static/" not in page.content.decode()
    assert edge("nope").json()["error"]["code"] == "unknown"


def test_they_are_only_looked_at(client, art):
    headers = {"X-Alight-Endpoint": "art"}
    for path in ("enter", "share/abcdefgh"):
        assert client.post(f"/-/alight/{path}", headers=headers).status_code == 405
        assert client.head(f"/-/alight/{path}", headers=headers).status_code == 405


def test_passes_know_no_secrets_in_plain_text(link, edge, handed_over):
    cookies = [
        edge(link[1]).cookies["alight_pass"].value,
        edge("enter", query_of(handed_over)).cookies["alight_pass"].value,
    ]
    kept = str(list(Pass.objects.values())) + str(vars(link[0]))
    assert not any(cookie in kept for cookie in cookies)
    assert link[1].removeprefix("share/") not in kept
    assert passes.digest_of(cookies[0]) in kept
