"""A private endpoint as people have it: everything `make up` starts, and a container.

The container keeps what reached it and tries to plant the console's cookies.
"""

import json
import time

import pytest
import requests
from playwright.sync_api import expect

from tests.api import Api
from tests.browser import sign_in

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.haproxy]

IMAGE = "python:3.11-slim"
NOSY = """
import base64, hashlib, json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SEEN = []
PLANTS = (
    "alight_session=evil; Path=/; Domain=localhost",
    "alight_pass=evil; Path=/",
    "tracker=1; Path=/; Domain=localhost",
    "own=1; Path=/",
)

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        SEEN.append([self.path, *(f"{n}: {v}" for n, v in self.headers.items())])
        if self.path == "/socket":
            return self.echo()
        body = json.dumps(SEEN).encode() if self.path == "/seen" else b"<h1>nosy</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        if self.path.startswith("/plant"):
            self.send_header("Set-Cookie", PLANTS[int(self.path[-1])])
        self.end_headers()
        self.wfile.write(body)

    def echo(self):
        key = self.headers["Sec-WebSocket-Key"] + GUID
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.wfile.write((
            "HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\n"
            f"Connection: Upgrade\\r\\nSec-WebSocket-Accept: {accept}\\r\\n\\r\\n"
        ).encode())
        size = self.rfile.read(2)[1] & 127
        mask, word = self.rfile.read(4), self.rfile.read(size)
        self.wfile.write(
            bytes([129, size]) + bytes(b ^ mask[i % 4] for i, b in enumerate(word))
        )
        self.close_connection = True

    def log_message(self, *args):
        pass

ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""
SOCKET = """() => new Promise((done, fail) => {
  const one = new WebSocket(`ws://${location.host}/socket`);
  one.onopen = () => one.send("hello");
  one.onmessage = news => done(news.data);
  one.onclose = () => fail(new Error("refused"));
})"""


@pytest.fixture(scope="module")
def api(console):
    return Api(console)


@pytest.fixture(scope="module")
def nosy(api, console):
    """The URL of a private endpoint that is ready."""
    command = {"command": ["python", "-u", "-c"], "args": [NOSY]}
    api.create("nosy", IMAGE, 8080, min_replicas=1, max_replicas=1, **command)
    api.wait_for("nosy", "ReplicaRunning")
    yield console.endpoint_url("nosy")
    api.delete("nosy")


def make(api, path, **body):
    answer = api.call("POST", path, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def get(url, **headers):
    return requests.get(url, headers=headers, allow_redirects=False, timeout=30)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_no_secret_of_ours_reaches_a_container(chromium, api, console, nosy):
    token = make(api, "tokens", name="caller", scope="call-all")["token"]
    link = make(api, "endpoint/nosy/share-links")["url"]
    with chromium.new_context() as mine, chromium.new_context() as theirs:
        owner, guest = mine.new_page(), theirs.new_page()
        sign_in(owner, console)
        session = {c["name"]: c["value"] for c in mine.cookies(console.url)}
        assert session.keys() >= {"alight_session", "alight_csrf"}
        # The console's cookies are shown as well, as somebody may who knows them.
        planted = [{"name": n, "value": v, "url": nosy} for n, v in session.items()]
        mine.add_cookies(planted)
        for page, address in ((owner, f"{nosy}/deep?x=1"), (guest, link)):
            page.goto(address)
            expect(page.locator("h1")).to_have_text("nosy")
            assert page.url.startswith(nosy)
            for number in range(4):
                page.goto(f"{nosy}/plant{number}")
            assert page.evaluate(SOCKET) == "hello"
        passes = [
            cookie["value"]
            for context in (mine, theirs)
            for cookie in context.cookies(nosy)
            if cookie["name"] == "alight_pass"
        ]
        assert "evil" not in str(mine.cookies(console.url))
        assert "tracker" not in str(mine.cookies(console.url))
        own = {c["name"]: c["domain"] for c in theirs.cookies(nosy)}
        assert own.keys() == {"alight_pass", "own", "tracker"}
        assert set(own.values()) == {"nosy.localhost"}
        owner.goto(f"{console.url}/tokens/")
        expect(owner.get_by_role("heading", name="Tokens")).to_be_visible()

    assert get(f"{nosy}/called", **bearer(token)).status_code == 200
    seen = json.loads(get(f"{nosy}/seen", **bearer(token)).text)
    assert [row[0] for row in seen].count("/socket") == 2
    text = json.dumps(seen)
    assert len(passes) == 2
    for secret in (token, link.rpartition("/")[2], *passes, *session.values()):
        assert secret not in text
    assert "alight_" not in text.lower()
    assert "x-alight" not in text.lower()
    # What is its own comes back to it.
    assert '"cookie: tracker=1; own=1"' in text.lower()


def test_who_is_out_is_out_at_the_next_request(api, console, nosy):
    made = make(api, "tokens", name="ci", scope="call-some", endpoints=["nosy"])
    link = make(api, "endpoint/nosy/share-links", name="grace")
    cookie = get(link["url"]).headers["Set-Cookie"].partition(";")[0]
    shown = (bearer(made["token"]), {"Cookie": cookie})
    assert [get(nosy, **one).status_code for one in shown] == [200, 200]
    assert api.call("DELETE", f"tokens/{made['id']}").status_code == 204
    path = f"endpoint/nosy/share-links/{link['id']}"
    assert api.call("DELETE", path).status_code == 204
    assert [get(nosy, **one).status_code for one in shown] == [401, 401]


def test_public_access_counts_at_the_next_request(api, nosy):
    for visibility, status in (("public", 200), ("private", 401)):
        answer = api.call("PATCH", "endpoint/nosy", json={"visibility": visibility})
        assert answer.status_code == 200, answer.text
        assert get(nosy).status_code == status


def test_what_was_let_in_survives_the_next_sync(api, console, nosy):
    """The worker tells the ingress the same as the web process did."""
    kept = make(api, "tokens", name="kept", scope="call-all")["token"]
    gone = make(api, "tokens", name="gone", scope="call-all")
    link = make(api, "endpoint/nosy/share-links")["url"]
    cookie = get(link).headers["Set-Cookie"].partition(";")[0]
    api.call("DELETE", f"tokens/{gone['id']}")
    console.manage("reconcile", "--once", "nosy")
    shown = (bearer(kept), {"Cookie": cookie}, bearer(gone["token"]), {})
    assert [get(nosy, **one).status_code for one in shown] == [200, 200, 401, 401]


def test_a_call_is_told_as_use(api, nosy):
    made = make(api, "tokens", name="used", scope="call-all")
    assert made["last_used_at"] is None
    assert get(nosy, **bearer(made["token"])).status_code == 200

    def used():
        listed = {one["id"]: one for one in api.call("GET", "tokens").json()}
        return listed[made["id"]]["last_used_at"]

    deadline = time.monotonic() + 60
    while not used():
        assert time.monotonic() < deadline, "nobody noticed the use of a token"
        time.sleep(0.3)  # the meter's rhythm has no event
