"""The stack behind a certificate, held by the HAProxy that docs/production.md shows."""

import re

import pytest
import requests
from playwright.sync_api import expect

from console.guard import HERE
from tests.api import Api
from tests.browser import CHROMIUM, FLAGS, sign_in
from tests.compose.terminator import DOMAIN, terminated

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.haproxy]

NAME = "locked"
SOCKET = """() => new Promise((done, fail) => {
  const one = new WebSocket(`wss://${location.host}/socket`);
  one.onopen = () => one.send("hello");
  one.onmessage = news => done(news.data);
  one.onclose = () => fail(new Error("refused"));
})"""
CHECK = ("python", "manage.py", "check", "--deploy", "--fail-level", "WARNING")


@pytest.fixture(scope="module")
def house(console, tmp_path_factory):
    with terminated(console, tmp_path_factory.mktemp("tls")) as made:
        yield made


@pytest.fixture(scope="module")
def api(house):
    made = Api(house)
    authorization = made.session.headers
    made.session = house.session()
    made.session.headers.update(authorization)
    return made


@pytest.fixture(scope="module")
def url(api, house, told_images):
    """A private endpoint of the told server that is ready."""
    api.create(NAME, told_images[0], 8080)
    api.wait_for(NAME, "ReplicaRunning")
    yield house.endpoint_url(NAME)
    api.delete(NAME)


@pytest.fixture(scope="module")
def browser(house, chromium):
    """One for which DNS leads here.

    Without HTTP/2, whose connections Chromium ends whenever a container comes or goes.
    """
    flags = [*FLAGS, *house.chromium_flags, "--disable-http2"]
    made = chromium.browser_type.launch(executable_path=CHROMIUM, args=flags)
    yield made
    made.close()


@pytest.fixture
def context(browser):
    """A fresh profile that takes the certificate; no script fails."""
    made = browser.new_context(ignore_https_errors=True)
    made.set_default_timeout(60_000)
    failed = []
    made.on("weberror", lambda found: failed.append(str(found.error)))
    yield made
    made.close()
    assert failed == []


def cookies(context, url):
    """Names of those a page there is sent; each is that host's alone, by https."""
    found = context.cookies(url)
    host = url.partition("://")[2]
    assert {(c["secure"], c["path"], c["domain"]) for c in found} == {(True, "/", host)}
    return {c["name"] for c in found}


def test_a_person_signs_in_and_is_let_into_an_endpoint(context, house, api, url):
    page = context.new_page()
    sockets, asked = [], []
    page.on("websocket", lambda one: sockets.append(one.url))
    context.on("request", lambda one: asked.append(one.url))
    # From port 80, where whoever types the name arrives.
    page.goto(f"http://{DOMAIN}/", wait_until="networkidle")
    assert page.url.startswith(f"{house.url}/sign-in/")
    sign_in(page, house)
    ours = {"__Host-alight", "__Host-alight-csrf", "__Host-alight-known"}
    assert cookies(context, house.url) == ours

    page.goto(f"{house.url}/endpoints/{NAME}/", wait_until="networkidle")
    expect(page.get_by_label("Endpoint URL", exact=True)).to_have_value(url)
    expect(page.locator("html[data-live-up]")).to_be_attached()
    page.evaluate("window.stayed = true")
    later = {"min_replicas": 1, "max_replicas": 3}
    assert api.call("PATCH", f"endpoint/{NAME}", json=later).status_code == 200
    expect(page.locator("#ep-scale")).to_have_attribute("data-max", "3")
    assert page.evaluate("window.stayed")
    assert {one.split("/")[:3] == ["wss:", "", DOMAIN] for one in sockets} == {True}

    # Its own address, of which this browser has no cookie yet.
    tab = context.new_page()
    tab.goto(f"{url}/deep?x=1", wait_until="networkidle")
    assert tab.url == f"{url}/deep?x=1"
    expect(tab.locator("body")).to_have_text(re.compile("^one locked-"))
    assert cookies(context, url) == {"__Host-alight_pass"}
    assert tab.evaluate(SOCKET).endswith(": hello")
    assert {one for one in asked if one.startswith("http:")} == {f"http://{DOMAIN}/"}


def test_a_stranger_is_led_to_sign_in(context, house, url):
    page = context.new_page()
    page.goto(url, wait_until="networkidle")
    assert page.url.startswith(f"{house.url}/sign-in/?next=/hand-over/{NAME}/")


def test_a_program_has_https_addresses_and_uses_them(house, api, url):
    answer = api.call("GET", f"endpoint/{NAME}")
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000;")
    assert answer.json()["endpoint"] == url
    assert house.session().get(url, timeout=30).status_code == 401
    assert api.session.get(url, timeout=30).text.startswith("one locked-")

    # Bodies and streams are not held back.
    body = b"x" * 20_000_000
    echo = api.session.post(url, data=body, timeout=60).content
    assert echo.endswith(body)
    slow = {"lines": 100_000, "pause": 1}
    with api.session.get(f"{url}/stream", params=slow, stream=True, timeout=30) as got:
        assert next(got.iter_lines(chunk_size=None)).endswith(b" 1")

    taken = api.session.post(url, headers={"X-OctoAI-Async": "1"}, timeout=30)
    poll_url = taken.json()["poll_url"]
    assert poll_url.startswith(f"{url}/")
    assert api.session.get(poll_url, timeout=30).status_code == 200
    link = api.call("POST", f"endpoint/{NAME}/share-links", json={}).json()["url"]
    assert link.startswith(f"{url}/")
    opened = house.session().get(link, allow_redirects=False, timeout=30)
    assert "__Host-alight_pass=" in opened.headers["Set-Cookie"]


def test_port_80_leads_to_https_with_path_and_query(house):
    for host in (DOMAIN, f"{NAME}.{DOMAIN}"):
        plain = f"http://127.0.0.1:{house.plain}/a/b?c=%20d"
        answer = requests.get(plain, headers={"Host": host}, allow_redirects=False)
        assert answer.status_code == 301
        assert answer.headers["Location"] == f"https://{host}/a/b?c=%20d"


def guess(house, source, *, claims=""):
    """The status of a wrong password from that address, for a name nobody has."""
    session = house.session(source)
    address = f"{house.url}/sign-in/"
    session.get(address, timeout=30)
    form = {"username": "nobody", "password": "wrong"}
    form["csrfmiddlewaretoken"] = session.cookies["__Host-alight-csrf"]
    headers = {"Referer": address, "Origin": house.url}
    if claims:
        headers["X-Forwarded-For"] = claims
    return session.post(address, form, headers=headers, timeout=30).status_code


def test_who_guesses_is_known_by_the_address_the_proxy_saw(house):
    for number in range(HERE.most):
        # Whatever they say themselves.
        assert guess(house, "127.0.0.2", claims=f"198.51.100.{number}") == 200
    assert guess(house, "127.0.0.2", claims="198.51.100.99") == 429
    assert guess(house, "127.0.0.3", claims="127.0.0.2") == 200


def test_the_settings_are_fit_for_the_internet(house):
    console = house.console
    assert "no issues" in console.run("web", *CHECK)
    assert "Nothing needs mending." in console.manage("doctor")
