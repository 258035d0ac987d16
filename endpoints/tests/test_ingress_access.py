"""Who passes a real HAProxy, where the others go, and what replicas may not do."""

import asyncio
import hashlib
import json
import threading
import time
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from endpoints.ingress.base import BOUNDS, Answers, Grant
from endpoints.keys import digest_of
from endpoints.reaching import OWN_PAGE
from endpoints.tests.ingress_parts import (
    backend,
    eventually,
    haproxy,
    private,
    public,
    visitor,
)

__all__ = ["backend", "haproxy", "visitor"]

pytestmark = pytest.mark.haproxy

TOKEN = {"Authorization": "Bearer alt_secret"}
GRANT = Grant(digest_of("alt_secret"))
PASS = {"Cookie": "alight_pass=sesame"}
PASS_DIGEST = hashlib.sha256(b"sesame").hexdigest().upper()
BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


@pytest.fixture
def ingress(haproxy):
    return haproxy.ingress


@pytest.fixture
async def replica(ingress, backend):
    """“art” is private, with one replica and nobody who may call it."""
    one = await backend("one")
    ingress.apply(private("art", one.upstream()))
    return one


async def status_of(visitor, headers, path="/who"):
    async with visitor.call(
        "art", path, headers=headers, allow_redirects=False
    ) as answer:
        return answer.status


# -- what is shown -------------------------------------------------------------------


async def test_a_grant_ends_when_it_says(ingress, visitor, replica):
    now = int(time.time())
    ingress.admit("art", Grant(GRANT.digest, now - 1))
    assert await status_of(visitor, TOKEN) == 401
    ingress.admit("art", Grant(GRANT.digest, now + 3600))
    assert await status_of(visitor, TOKEN) == 200


async def test_an_older_look_lets_nobody_in_again(ingress, visitor, replica):
    revoking = threading.Thread(target=ingress.expel, args=({GRANT.digest},))

    def look():
        seen = private("art", replica.upstream(), grants=(GRANT,))
        revoking.start()
        # It would be done by now if it had not to wait for this apply.
        revoking.join(0.3)
        return seen

    ingress.apply(look)
    revoking.join()
    assert await status_of(visitor, TOKEN) == 401


async def test_public_access_is_opened_and_shut_alone(ingress, visitor, replica):
    ingress.admit("art", GRANT)
    for opened in (True, False, False, True, True):
        ingress.publish("art", public=opened)
        assert await status_of(visitor, {}) == (200 if opened else 401)
        assert await status_of(visitor, TOKEN) == 200


async def test_a_pass_lets_a_browser_in_also_for_sockets(ingress, visitor, replica):
    assert await status_of(visitor, PASS) == 401
    ingress.admit("art", Grant(PASS_DIGEST))
    assert await status_of(visitor, PASS) == 200
    async with visitor.socket("art", PASS) as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "one: hello"
    ingress.expel({PASS_DIGEST})
    assert await status_of(visitor, PASS) == 401


OWN = "http://art.localhost"
OTHER = "http://chat.localhost"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        # Its own pages, old browsers and programs.
        ({}, 200),
        ({"Origin": OWN}, 200),
        ({"Origin": OWN, "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, 200),
        # The console on behalf of somebody: what it hands on may name another page.
        ([("Origin", OTHER), ("Sec-Fetch-Site", "same-site"), OWN_PAGE], 200),
        # Another page may lead here.
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        # It may neither read nor write here.
        ({"Origin": OTHER}, 401),
        ({"Origin": OTHER, "Sec-Fetch-Site": "same-site"}, 401),
        ({"Origin": "null"}, 401),
        ({"Origin": "http://art.localhost:81"}, 401),
        ({"Origin": "https://art.localhost"}, 401),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, 401),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}, 401),
    ],
)
async def test_a_pass_counts_for_the_endpoints_own_pages(
    ingress, visitor, replica, headers, status
):
    ingress.admit("art", Grant(PASS_DIGEST))
    sent = headers if isinstance(headers, list) else list(headers.items())
    assert await status_of(visitor, [*PASS.items(), *sent]) == status


async def test_a_form_of_another_page_is_refused(ingress, visitor, replica):
    """Of a navigation, too: what it sends is not its visitor's wish."""
    ingress.admit("art", Grant(PASS_DIGEST))
    sent = {**PASS, "Origin": OTHER, "Sec-Fetch-Mode": "navigate"}
    for origin, status in ((OTHER, 401), ("null", 401), (OWN, 200)):
        headers = {**sent, "Origin": origin}
        async with visitor.call("art", "/echo", "POST", headers) as answer:
            assert answer.status == status


async def test_a_socket_of_another_page_is_refused(ingress, visitor, replica):
    ingress.admit("art", Grant(PASS_DIGEST))
    async with visitor.socket("art", {**PASS, "Origin": OWN}) as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "one: hello"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with visitor.socket("art", {**PASS, "Origin": OTHER}):
            pass
    assert refused.value.status == 401


async def test_a_token_and_public_access_count_from_everywhere(
    ingress, visitor, replica
):
    """A token is not sent by itself, and what is public may be used by any page."""
    ingress.admit("art", GRANT)
    assert await status_of(visitor, {**TOKEN, "Origin": OTHER}) == 200
    ingress.publish("art", public=True)
    assert await status_of(visitor, {**PASS, "Origin": OTHER}) == 200


async def test_a_pass_counts_at_its_own_endpoint_only(ingress, visitor, replica):
    ingress.apply(private("chat", replica.upstream()))
    ingress.admit("chat", Grant(PASS_DIGEST))
    assert await status_of(visitor, PASS) == 401


async def test_an_apps_own_sign_in_goes_with_a_pass(ingress, visitor, replica):
    ingress.admit("art", Grant(PASS_DIGEST))
    sent = {"Authorization": "Basic YTpi", "Cookie": "theme=dark; alight_pass=sesame"}
    seen = dict(await visitor.headers_at("art", sent))
    assert seen["authorization"] == "Basic YTpi"
    assert seen["cookie"] == "theme=dark"


async def test_nothing_of_ours_reaches_a_replica(ingress, visitor, replica):
    ingress.apply(public("art", replica.upstream(), grants=(GRANT,)))
    sent = {
        **TOKEN,
        "Cookie": "alight_session=a; alight_csrf=b; alight_pass=c",
        "X-Alight-Endpoint": "chat",
        "X-Alight-Grant": "public",
        "X-Alight-Wait": "5",
    }
    seen = dict(await visitor.headers_at("art", sent))
    assert not {"authorization", "cookie"} & seen.keys()
    assert not [name for name in seen if name.startswith("x-alight")]


# -- who has nothing to show -----------------------------------------------------------


async def test_a_browser_goes_by_the_console_and_comes_back(haproxy, visitor, replica):
    path = "/deep/link?x=1&y=a%20b"
    async with visitor.call(
        "art", path, headers=BROWSER, allow_redirects=False
    ) as answer:
        assert answer.status == 302
        assert answer.headers["Cache-Control"] == "no-store"
        target = urlsplit(answer.headers["Location"])
    assert f"{target.scheme}://{target.netloc}/" == haproxy.setup.console_url
    assert target.path == "/hand-over/art/"
    assert parse_qs(target.query) == {"to": [path]}


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"Accept": "*/*"}),
        ("POST", BROWSER),
        ("GET", {**BROWSER, "Sec-Fetch-Mode": "cors"}),
    ],
)
async def test_programs_are_refused(visitor, replica, method, headers):
    async with visitor.call(
        "art", "/who", method, headers=headers, allow_redirects=False
    ) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


# -- what is for the console on an endpoint's host -------------------------------------


async def test_reserved_paths_go_to_the_console(haproxy, visitor, replica, backend):
    await backend("console", haproxy.setup.web_socket)
    haproxy.ingress.admit("art", GRANT)
    for path, headers, status in (
        ("/-/alight/enter", {}, 404),
        ("/-/alight/share/abc", {}, 404),
        ("/-/alight/enterprise", {}, 401),
        ("/-/alight/async/1", {}, 401),
        ("/-/alight/async/1", TOKEN, 404),
    ):
        # The stand-in console knows none of them, and says so itself.
        assert await status_of(visitor, headers, path) == status, path
    assert haproxy.ingress.traffic()["art"].requests == 0


async def test_the_console_is_told_for_whom_and_by_whom(
    haproxy, visitor, replica, backend
):
    await backend("console", haproxy.setup.web_socket)
    haproxy.ingress.admit("art", GRANT)
    sent = {
        **TOKEN,
        "X-OctoAI-Async": "1",
        "X-Alight-Endpoint": "chat",
        "X-Alight-Path": "/secret",
        "Cookie": "alight_session=a",
    }
    # What the stand-in console does not serve is 404, told by aiohttp.
    async with visitor.call("art", "/infer?a=b", "POST", headers=sent) as answer:
        assert (answer.status, await answer.text()) == (404, "404: Not Found")
    assert await status_of(visitor, {"X-OctoAI-Async": "1"}, "/infer") == 401
    assert replica.left == 0


# -- what a replica may not ------------------------------------------------------------


async def test_cookies_of_a_replica_are_for_its_own_host(ingress, visitor, replica):
    ingress.apply(public("art", replica.upstream()))
    async with visitor.call("art", "/cookies") as answer:
        assert answer.headers.getall("Set-Cookie") == [
            "theme=dark; Path=/; HttpOnly",
            "size=9",
        ]
    async with visitor.call("art", "/cookies?many") as answer:
        assert "Set-Cookie" not in answer.headers
    async with visitor.call("art", "/cookies?ours") as answer:
        assert "Set-Cookie" not in answer.headers


# -- what is counted -------------------------------------------------------------------


async def test_answers_are_counted_by_class_and_time(ingress, visitor, replica):
    ingress.apply(public("art", replica.upstream()))
    for path in ("/who", "/who", "/missing", "/failing"):
        await visitor.get("art", path)
    async with visitor.socket("art"):
        pass
    found = ingress.answers()["art"]
    assert found.classes == (1, 2, 0, 1, 1)
    assert (sum(found.buckets), len(found.buckets)) == (5, len(BOUNDS) + 1)
    assert found.held == 0


async def test_a_slow_answer_is_in_a_later_bucket(ingress, visitor, replica):
    ingress.apply(public("art", replica.upstream()))
    held = asyncio.create_task(visitor.get("art", "/hold"))
    await replica.reached.acquire()
    await asyncio.sleep(0.06)
    replica.release.set()
    await held
    found = ingress.answers()["art"]
    assert sum(found.buckets[: BOUNDS.index(0.05) + 1]) == 0
    assert sum(found.buckets) == 1


async def test_the_ingresss_own_answers_are_counted(ingress, visitor):
    ingress.apply(public("art", state="paused"))
    await visitor.get("art")
    nothing = (0,) * (len(BOUNDS) + 1)
    assert ingress.answers() == {"art": Answers((0, 0, 0, 0, 1), nothing, 0)}


async def test_a_replica_that_breaks_off_counts_as_an_error(ingress, visitor, replica):
    ingress.apply(public("art", replica.upstream()))
    assert (await visitor.get("art", "/leave"))[0] == 502
    assert ingress.answers()["art"].classes == (0, 0, 0, 0, 1)


async def test_callers_are_counted_by_what_they_showed(ingress, visitor, replica):
    ingress.apply(private("art", replica.upstream(), grants=(GRANT,)))
    for _ in range(3):
        assert (await visitor.get("art", **TOKEN, Connection="close"))[0] == 200
    await status_of(visitor, {"Authorization": "Bearer alt_other"})
    await eventually(ingress.callers, {GRANT.digest: 3})


async def test_counters_read_what_a_request_left(ingress, visitor, replica):
    ingress.apply(public("art", replica.upstream()))
    status, _, text = await visitor.get("art", "/echo")
    assert (status, json.loads(text)["size"]) == (200, 0)
    assert sum(ingress.answers()["art"].classes) == 1


# -- what goes past the rules ----------------------------------------------------


@pytest.mark.parametrize("dest", ["iframe", "object"])
async def test_no_page_of_another_endpoint_frames_a_private_one(
    ingress, visitor, replica, dest
):
    ingress.admit("art", Grant(PASS_DIGEST))
    frame = {**PASS, **BROWSER, "Sec-Fetch-Dest": dest}
    assert await status_of(visitor, {**frame, "Sec-Fetch-Site": "same-origin"}) == 200
    assert await status_of(visitor, {**frame, "Sec-Fetch-Site": "same-site"}) == 302
    page = {**PASS, **BROWSER, "Sec-Fetch-Site": "same-site"}
    assert await status_of(visitor, {**page, "Sec-Fetch-Dest": "document"}) == 200


@pytest.mark.parametrize("path", ["enter", "share/aaaaaaaa", "async", "start"])
async def test_the_console_is_sent_no_bodies_from_there(
    haproxy, visitor, replica, backend, path
):
    console = await backend("console", haproxy.setup.web_socket)
    haproxy.ingress.apply(public("art", replica.upstream()))

    async def endless():
        yield b"x"

    for body in (b"x" * 100, endless()):
        async with visitor.call(
            "art", f"/-/alight/{path}", "POST", data=body
        ) as answer:
            assert answer.status in (413, 200 if path == "start" else 413)
    assert console.left == 0


async def test_http_2_in_clear_text_is_not_spoken(haproxy, replica):
    haproxy.ingress.apply(public("art", replica.upstream()))
    reader, writer = await asyncio.open_connection("127.0.0.1", haproxy.setup.port)
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
    told = await reader.read(100)
    assert told.startswith(b"HTTP/1.1 400")
    writer.close()


async def test_no_app_is_asked_to_speak_it_either(ingress, visitor, replica):
    ingress.apply(public("art", replica.upstream()))
    sent = {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings"}
    seen = dict(await visitor.headers_at("art", sent))
    assert "upgrade" not in seen


async def test_what_was_taken_back_meanwhile_is_not_let_in(ingress, visitor, replica):
    ingress.admit("art", GRANT, lambda: False)
    assert await status_of(visitor, TOKEN) == 401
    ingress.publish("art", public=True, still=lambda: False)
    assert await status_of(visitor, {}) == 401
