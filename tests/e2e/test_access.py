"""Private endpoints in a browser: real HAProxy, the web process, Chromium, no worker.

What is revoked is refused at the next request: nobody waits for anything here.
"""

import re
from datetime import timedelta
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from django.utils import timezone
from playwright.sync_api import Error, expect

from endpoints import keys, passes, sharing
from endpoints.ingress.runtime import Runtime, map_rows
from endpoints.models import Pass, Scope
from endpoints.tests.factories import EndpointFactory
from tests.browser import sign_in
from tests.e2e.edge import App, edge, error_of

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.haproxy,
    pytest.mark.django_db(transaction=True),
]

DEEP = "/run/a%20b?text=%C3%A4&n=1"


@pytest.fixture
def app():
    with App("art") as one:
        yield one


@pytest.fixture
def house(settings, monkeypatch):
    with edge(settings, monkeypatch) as one:
        yield one


@pytest.fixture
def art(house, app, alice):
    made = EndpointFactory(name="art", owner=alice)
    house.lead(made, app)
    return made


@pytest.fixture
def alice_in(context, house, alice):
    """Alice's browser, signed in to the console."""
    return signed_in(context, house, "alice")


@pytest.fixture
def stranger(chromium):
    """A browser of somebody without an account."""
    with chromium.new_context() as other:
        yield other.new_page()


class Somebody:
    """What `sign_in` needs to know of a console."""

    def __init__(self, url, name):
        self.url, self.password = url, f"{name}-secret"


def signed_in(context, house, name):
    page = context.new_page()
    sign_in(page, Somebody(house.url, name), name)
    return page


def opens(page, house, art, path=DEEP):
    """The page is the app's, at that very path."""
    expect(page.locator("h1")).to_have_text("art")
    assert page.url == house.of(art, path)


def cookies_of(page, house, art):
    return {c["name"]: c for c in page.context.cookies(house.of(art))}


# --- Signed in to the console ------------------------------------------------------
def test_a_deep_link_opens_for_who_is_signed_in(alice_in, house, art, app):
    alice_in.goto(house.of(art, f"{DEEP}#tab"))
    opens(alice_in, house, art, f"{DEEP}#tab")
    # The app has the path as it was typed, and the fragment came through.
    expect(alice_in.locator("#at")).to_have_text(DEEP)
    expect(alice_in).to_have_title("#tab")
    own = cookies_of(alice_in, house, art)
    assert own.keys() == {"alight_pass", "app"}
    cookie = own["alight_pass"]
    assert (cookie["domain"], cookie["path"]) == ("art.localhost", "/")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    assert cookie["value"] not in str(list(Pass.objects.values()))
    # Sockets and requests of the page come in by the same cookie.
    assert alice_in.evaluate("socket('hello')") == "art: hello"
    assert alice_in.evaluate("ask('/again')") == 200
    assert set(app.cookies()) == {"app=own"}
    assert "alight" not in str(app.seen).replace("art.localhost", "")


def test_a_stranger_signs_in_and_arrives(stranger, house, art, app):
    stranger.goto(house.of(art, DEEP))
    assert stranger.url.startswith(f"{house.url}/sign-in/?next=/hand-over/art/")
    assert app.seen == []
    stranger.get_by_label("User name").fill("alice")
    stranger.get_by_label("Password", exact=True).fill("alice-secret")
    stranger.get_by_role("button", name="Sign in").click()
    stranger.wait_for_url(house.of(art, DEEP))
    opens(stranger, house, art)
    # Going back does not end at a page in between.
    stranger.reload()
    opens(stranger, house, art)


def test_going_back_to_the_ticket_goes_on(alice_in, house, art):
    asked = []
    alice_in.on("request", lambda r: asked.append(r.url))
    alice_in.goto(house.of(art, DEEP))
    (ticket,) = [url for url in asked if "/enter?ticket=" in url]
    alice_in.goto(ticket)
    opens(alice_in, house, art)
    # In another browser it is worth nothing: that one has to sign in.
    assert requests.get(ticket, timeout=60).url.startswith(f"{house.url}/sign-in/")


def test_who_keeps_no_cookie_is_told_and_not_sent_round(alice_in, house, art):
    session = {c["name"]: c["value"] for c in alice_in.context.cookies(house.url)}
    at, hosts = house.of(art, DEEP), []
    while True:
        hosts.append(urlsplit(at).hostname)
        answer = requests.get(
            at,
            headers={"Accept": "text/html"},
            cookies=session if hosts[-1] == "localhost" else None,
            allow_redirects=False,
            timeout=60,
        )
        if answer.status_code != 302:
            break
        at = urljoin(at, answer.headers["Location"])
    assert hosts == ["art.localhost", "localhost", "art.localhost", "art.localhost"]
    assert answer.status_code == 403
    assert "Your browser keeps no cookie here" in answer.text


def test_signing_out_ends_it_at_once(alice_in, house, art, context):
    alice_in.goto(house.of(art))
    opens(alice_in, house, art, "/")
    console = context.new_page()
    console.goto(f"{house.url}/templates/")
    console.get_by_role("button", name="Account: alice").click()
    console.get_by_role("menuitem", name="Sign out").click()
    console.wait_for_url("**/sign-in/")
    assert alice_in.evaluate("ask('/again')") == 401
    with pytest.raises(Error, match="refused"):
        alice_in.evaluate("socket('hello')")
    alice_in.reload()
    assert alice_in.url.startswith(f"{house.url}/sign-in/")


def test_someone_else_gets_no_further_than_the_console(
    context, house, art, app, charlie
):
    page = signed_in(context, house, "charlie")
    answer = page.goto(house.of(art))
    assert answer.status == 404
    assert page.url.startswith(f"{house.url}/hand-over/art/")
    expect(page.get_by_text("There is nothing at this address").first).to_be_visible()
    assert "alight_pass" not in cookies_of(page, house, art)
    assert app.seen == []


def test_a_pass_opens_one_endpoint_only(alice_in, house, art, app):
    other = EndpointFactory(name="chat", owner=art.owner)
    house.lead(other, app)
    alice_in.goto(house.of(art))
    mine = cookies_of(alice_in, house, art)["alight_pass"]["value"]
    for endpoint, status in ((art, 200), (other, 401)):
        answer = requests.get(
            f"http://127.0.0.1:{house.port}/",
            headers={"Host": endpoint.host, "Cookie": f"alight_pass={mine}"},
            timeout=60,
        )
        assert answer.status_code == status
    # The same browser is handed over there as well, with a cookie of its own.
    alice_in.goto(house.of(other))
    expect(alice_in.locator("h1")).to_have_text("art")
    assert cookies_of(alice_in, house, other)["alight_pass"]["value"] != mine


# --- Links -----------------------------------------------------------------------
def test_a_link_opens_until_it_is_revoked(stranger, house, art, app, alice):
    ends = timezone.now() + timedelta(days=1)
    link, address = sharing.share(art, alice, ends, "grace")
    assert address.startswith(house.of(art))
    stranger.goto(f"{address}?to=/gallery")
    opens(stranger, house, art, "/gallery")
    assert stranger.evaluate("socket('hello')") == "art: hello"
    assert "alight" not in "".join(app.cookies())
    assert not any(address.rpartition("/")[2] in value for _, value in app.seen)

    sharing.unshare(link, "alice")
    assert stranger.evaluate("ask('/again')") == 401
    answer = stranger.goto(address)
    assert answer.status == 410
    expect(stranger.locator("h1")).to_have_text("This link does not open any more")
    # Its own style counts, although nothing may load on that page.
    width = stranger.locator("main").evaluate("e => getComputedStyle(e).maxWidth")
    assert width == "440px"


def test_links_and_tokens_end_by_themselves(house, art, alice):
    """HAProxy knows until when; that it keeps to it is tried with its other rules."""
    ends = {}
    for days in (1, -1):
        at = timezone.now() + timedelta(days=days)
        _, address = sharing.share(art, alice, at)
        cookie = sharing.admission_of(address.rpartition("/")[2], at).cookie
        _, token = keys.make_token(alice, "ci", expires_at=at)
        for shown in ({"Cookie": f"alight_pass={cookie}"}, bearer(token)):
            answer = call(house, art, **shown)
            assert answer.status_code == (200 if days > 0 else 401)
        ends |= {passes.digest_of(cookie): at, keys.digest_of(token): at}
        followed = call(house, art, address.removeprefix(house.of(art, "")))
        assert followed.status_code == (302 if days > 0 else 410)
    with Runtime(house.runtime_socket) as hap:
        told = map_rows(hap.ask(["show map grants.map"])[0])
    assert told == {f"{d}/art": str(int(at.timestamp())) for d, at in ends.items()}


# --- Public access ---------------------------------------------------------------
def test_it_is_opened_and_shut_at_once(alice_in, house, art):
    alice_in.goto(f"{house.url}/endpoints/art/")
    for act, status in (("Open to the public", 200), ("Make private", 401)):
        alice_in.get_by_role("button", name="More actions").click()
        with alice_in.expect_response("**/access/"):
            alice_in.get_by_role("menuitem", name=act).click()
        assert call(house, art).status_code == status
        alice_in.reload()


# --- Tokens --------------------------------------------------------------------
def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def call(house, endpoint, path="/", **headers):
    """As a program would: without a browser."""
    return requests.get(
        f"http://127.0.0.1:{house.port}{path}",
        headers={"Host": endpoint.host, **headers},
        allow_redirects=False,
        timeout=60,
    )


@pytest.mark.parametrize("scope", Scope.values)
def test_a_token_counts_at_once_and_no_longer_than_that(house, art, app, alice, scope):
    other = EndpointFactory(name="chat", owner=alice)
    house.lead(other, app)
    key, token = keys.make_token(alice, "ci", scope=scope, endpoints=[art])
    status = {e: call(house, e, **bearer(token)).status_code for e in (art, other)}
    assert status == {art: 200, other: 401 if scope == "call-some" else 200}
    assert not any(token in value for _, value in app.seen)
    keys.revoke(key)
    assert call(house, art, **bearer(token)).status_code == 401


def test_tokens_of_others_open_nothing(house, art, charlie, app):
    _, token = keys.make_token(charlie, "ci")
    assert call(house, art, **bearer(token)).status_code == 401
    assert app.seen == []


def test_a_token_that_only_calls_manages_nothing(house, art, alice):
    _, token = keys.make_token(alice, "ci", scope=Scope.CALL_ALL)
    answer = requests.get(
        f"{house.url}/v1/endpoints", headers=bearer(token), timeout=60
    )
    assert answer.status_code == 403
    assert error_of(answer) == "permission_denied"


# --- What stays shut ------------------------------------------------------------------
@pytest.mark.parametrize(
    "headers",
    [
        {"X-Alight-Grant": "public"},
        {"X-Alight-Endpoint": "art", "X-Alight-Grant": "public"},
        {"Cookie": "alight_pass="},
        {"Cookie": "alight_pass=nothing; alight_session=nothing"},
        {"Authorization": "Bearer alt_nothing"},
    ],
)
def test_what_opens_nothing(house, art, app, headers):
    assert call(house, art, **headers).status_code == 401
    assert call(house, art, "/-/alight/start", **headers).status_code == 401
    assert app.seen == []


def test_the_consoles_host_has_no_edge(house, art):
    for path in ("enter?ticket=x", "share/abcdefgh", "start", "async"):
        answer = requests.get(
            f"{house.url}/-/alight/{path}",
            headers={"X-Alight-Endpoint": "art", "X-Alight-Grant": "public"},
            timeout=60,
        )
        assert answer.status_code == 404


def test_only_pages_are_handed_over(house, art):
    page = {"Accept": "text/html"}
    over = call(house, art, DEEP, **page)
    assert over.status_code == 302
    assert re.match(rf"{house.url}/hand-over/art/\?to=", over.headers["Location"])
    script = {**page, "Sec-Fetch-Mode": "cors"}
    assert call(house, art, DEEP, **script).status_code == 401
