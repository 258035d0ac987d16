"""Requests through a real HAProxy: who passes, what arrives, what comes back."""

import asyncio
import hashlib
import json

import aiohttp
import pytest

from endpoints.ingress.answers import content_security_policy
from endpoints.ingress.base import Grant, Traffic
from endpoints.keys import digest_of
from endpoints.tests.ingress_parts import (
    Visitor,
    backend,
    eventually,
    haproxy,
    private,
    public,
    running,
    visitor,
)

__all__ = ["backend", "haproxy", "visitor"]

pytestmark = pytest.mark.haproxy

TOKEN = {"Authorization": "Bearer alt_secret"}
DIGEST = digest_of("alt_secret")


@pytest.fixture
def ingress(haproxy):
    return haproxy.ingress


# -- where a host leads ------------------------------------------------------------


async def test_each_host_leads_to_its_own_replicas(ingress, visitor, backend):
    one, two = await backend("one"), await backend("two")
    ingress.apply(public("art", one.upstream()))
    ingress.apply(public("chat", two.upstream()))
    assert await visitor.who("art") == "one"
    assert await visitor.who("chat") == "two"
    assert await visitor.who("ART.localhost:8080") == "one"
    assert await visitor.who("art.localhost.") == "one"
    assert await visitor.who("art.other.example") == "unknown"
    assert await visitor.who("nobody") == "unknown"


async def test_requests_go_to_every_replica(ingress, visitor, backend):
    one, two = await backend("one"), await backend("two")
    ingress.apply(public("art", one.upstream(), two.upstream()))
    assert {await visitor.who("art") for _ in range(8)} == {"one", "two"}


async def test_both_loopbacks_answer(haproxy, backend):
    haproxy.ingress.apply(public("art", (await backend("one")).upstream()))
    for address in haproxy.setup.binds:
        host = f"[{address}]" if ":" in address else address
        haproxy.url = f"http://{host}:{haproxy.setup.port}"
        async with Visitor(haproxy) as visitor:
            assert await visitor.who("art") == "one"


async def test_the_console_is_behind_its_own_hosts(haproxy, visitor, backend):
    assert await visitor.who("localhost") == "console"
    await backend("console", haproxy.setup.web_socket)
    sent = {"Cookie": "alight_session=a; alight_csrf=b", **TOKEN}
    for host in ("localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080"):
        assert await visitor.who(host) == "console"
        seen = dict(await visitor.headers_at(host, sent))
        assert seen["cookie"] == sent["Cookie"]
        assert seen["authorization"] == TOKEN["Authorization"]
        assert seen["x-forwarded-host"] == host
    async with visitor.socket("localhost:8080") as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "console: hello"


async def test_a_new_address_gets_the_very_next_request(ingress, visitor, backend):
    one, two = await backend("one"), await backend("two")
    for replica in (one, two, one, two):
        ingress.apply(public("art", replica.upstream()))
        assert {await visitor.who("art") for _ in range(5)} == {replica.name}


# -- who may call ------------------------------------------------------------------


async def test_public_access_changes_with_one_command(ingress, visitor, backend):
    replica = await backend("one")
    ingress.apply(public("art", replica.upstream()))
    assert await visitor.who("art") == "one"
    ingress.apply(private("art", replica.upstream()))
    assert await visitor.who("art") == "private"
    ingress.apply(public("art", replica.upstream()))
    assert await visitor.who("art") == "one"


async def test_strangers_are_refused(ingress, visitor, backend):
    replica = await backend("one")
    ingress.apply(private("art", replica.upstream(), grants=(Grant(DIGEST),)))
    ingress.apply(private("chat", replica.upstream(), grants=()))
    strangers = [
        ("art", {}),
        ("art", {"Authorization": "Bearer alt_other"}),
        ("art", {"Authorization": "Bearer  alt_secret"}),
        ("art", {"Authorization": "Basic YTpi"}),
        ("art", {"Authorization": ""}),
        ("art", [*TOKEN.items(), ("Authorization", "Bearer alt_other")]),
        ("chat", TOKEN),
    ]
    for name, headers in strangers:
        async with visitor.call(name, "/who", headers=headers) as answer:
            assert answer.status == 401, (name, headers)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert (await answer.json())["error"]["code"] == "private"


async def test_a_token_passes_until_it_is_revoked(ingress, visitor, backend):
    replica = await backend("one")
    ingress.apply(private("art", replica.upstream(), grants=(Grant(DIGEST),)))
    assert (await visitor.get("art", **TOKEN))[0] == 200
    async with visitor.socket("art", TOKEN) as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "one: hello"
    ingress.apply(private("art", replica.upstream()))
    assert (await visitor.get("art", **TOKEN))[0] == 401


# -- what a replica sees -----------------------------------------------------------


async def test_our_token_never_reaches_a_replica(ingress, visitor, backend):
    upstream = (await backend("one")).upstream()
    for route in (
        private("art", upstream, grants=(Grant(DIGEST),)),
        public("art", upstream, grants=(Grant(DIGEST),)),
        public("art", upstream),
    ):
        ingress.apply(route)
        assert "authorization" not in dict(await visitor.headers_at("art", TOKEN))
    for text in ("bearer alt_x", "BEARER  alt_x"):
        sent = {"Authorization": text}
        assert "authorization" not in dict(await visitor.headers_at("art", sent))


async def test_an_apps_own_authorization_reaches_it(ingress, visitor, backend):
    ingress.apply(public("art", (await backend("one")).upstream()))
    for text in ("Basic YTpi", "Bearer of-the-app"):
        seen = dict(await visitor.headers_at("art", {"Authorization": text}))
        assert seen["authorization"] == text


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("alight_session=s", None),
        ("alight_session=s; alight_csrf=c", None),
        ("a=1; alight_session=s; b=2", "a=1; b=2"),
        ("alight_session=s; a=1", "a=1"),
        ("a=1;alight_csrf=c", "a=1"),
        ("alight_session=planted; a=1; alight_session=real", "a=1"),
        ("; ".join(["alight_session=s"] * 9), None),
        (
            "xalight_session=s; alight_sessions=t",
            "xalight_session=s; alight_sessions=t",
        ),
        ("a=1", "a=1"),
        ('a="x; alight_session=s"; b=2', 'a="x; b=2'),
    ],
)
async def test_the_consoles_cookies_never_reach_a_replica(
    ingress, visitor, backend, sent, seen
):
    ingress.apply(public("art", (await backend("one")).upstream()))
    assert dict(await visitor.headers_at("art", {"Cookie": sent})).get("cookie") == seen


async def test_cookies_in_several_headers_are_cut_too(ingress, visitor, backend):
    ingress.apply(public("art", (await backend("one")).upstream()))
    sent = [("Cookie", "a=1; alight_session=s"), ("Cookie", "alight_csrf=c; b=2")]
    seen = await visitor.headers_at("art", sent)
    assert [value for name, value in seen if name == "cookie"] == ["a=1", "b=2"]


async def test_nobody_can_claim_to_be_somebody_else(ingress, visitor, backend):
    ingress.apply(public("art", (await backend("one")).upstream()))
    forged = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-User": "admin",
        "X-Forwarded-Prefix": "/evil",
        "X_Forwarded_For": "6.6.6.6",
        "Forwarded": "for=6.6.6.6",
        "X-Real-IP": "6.6.6.6",
        "X-Auth-Request-User": "admin",
        "X-Alight-User": "admin",
        "X-Original-URL": "/admin",
        "Remote-User": "admin",
        "Proxy": "evil.example",
    }
    seen = await visitor.headers_at("art", {**forged, "X-Mine": "stays"})
    ours = {name: value for name, value in seen if name.startswith(("x-", "x_"))}
    assert ours == {
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "art.localhost",
        "x-mine": "stays",
    }
    names = {name for name, _ in seen}
    assert not names & {"forwarded", "remote-user", "proxy", "x_forwarded_for"}


@pytest.mark.parametrize(
    ("proxies", "sent", "arrives"),
    [
        (("127.0.0.1",), "6.6.6.6", "6.6.6.6"),
        # What stands before the proxy's own word, anybody may have sent.
        (("127.0.0.0/8", "::1"), "1.1.1.1, 6.6.6.6", "6.6.6.6"),
        (("127.0.0.1",), "2001:db8::5", "2001:db8::5"),
        (("127.0.0.1",), "nonsense", "127.0.0.1"),
        (("127.0.0.1",), None, "127.0.0.1"),
        (("10.0.0.1",), "6.6.6.6", "127.0.0.1"),
    ],
)
async def test_a_proxy_that_is_named_says_whom_it_saw(backend, proxies, sent, arrives):
    headers = {"X-Forwarded-For": sent} if sent else {}
    with running(proxies=proxies) as haproxy:
        haproxy.ingress.apply(public("art", (await backend("one")).upstream()))
        async with Visitor(haproxy) as visitor:
            seen = await visitor.headers_at("art", headers)
    assert [value for name, value in seen if name == "x-forwarded-for"] == [arrives]


# -- what passes through -----------------------------------------------------------


async def test_an_upload_arrives_whole(ingress, visitor, backend):
    ingress.apply(public("art", (await backend("one")).upstream()))
    body = bytes(range(256)) * (20 * 4096)

    async def in_pieces():
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    for data in (body, in_pieces()):
        async with visitor.call("art", "/echo", "POST", data=data) as answer:
            told = await answer.json(content_type=None)
        assert told["size"] == len(body)
        assert told["sha256"] == hashlib.sha256(body).hexdigest()


async def test_events_arrive_as_they_are_written(ingress, visitor, backend):
    replica = await backend("one")
    ingress.apply(public("art", replica.upstream()))
    asked = {"Accept-Encoding": "gzip"}
    async with visitor.call("art", "/events", headers=asked) as answer:
        assert await answer.content.readuntil(b"\n\n") == b"data: first\n\n"
        # Only now is the last one written.
        replica.release.set()
        assert await answer.content.readuntil(b"\n\n") == b"data: last\n\n"


async def test_a_quiet_stream_outlives_the_clients_time_limit(backend):
    replica = await backend("one")
    with running(client_timeout="150ms") as haproxy:
        haproxy.ingress.apply(public("art", replica.upstream()))
        async with Visitor(haproxy) as visitor, visitor.call("art", "/events") as said:
            assert await said.content.readuntil(b"\n\n") == b"data: first\n\n"
            async with visitor.socket("art") as socket:
                # Silence is what this is about: no event ends it.
                await asyncio.sleep(0.5)
                await socket.send_str("still there")
                assert await socket.receive_str() == "one: still there"
            replica.release.set()
            assert await said.content.readuntil(b"\n\n") == b"data: last\n\n"


async def test_a_websocket_counts_as_use_until_it_closes(ingress, visitor, backend):
    ingress.apply(public("art", (await backend("one")).upstream()))
    async with visitor.socket("art") as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "one: hello"
        assert ingress.traffic()["art"] == Traffic(1, 1)
        assert ingress.open_requests("art", "one.1") == 1
    await eventually(lambda: ingress.traffic()["art"], Traffic(0, 1))


async def test_numbers_fall_to_nothing_after_clients_left(ingress, visitor, backend):
    replica = await backend("one")
    ingress.apply(public("art", replica.upstream()))
    held = [asyncio.create_task(visitor.get("art", "/hold")) for _ in range(5)]
    for _ in held:
        await replica.reached.acquire()
    assert ingress.traffic()["art"] == Traffic(5, 5)
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    await eventually(lambda: ingress.traffic()["art"], Traffic(0, 5))
    assert ingress.open_requests("art", "one.1") == 0


# -- replicas that come, go and break ----------------------------------------------


async def test_a_leaving_replica_keeps_its_websockets(ingress, visitor, backend):
    one, two = await backend("one"), await backend("two")
    ingress.apply(public("art", one.upstream()))
    async with visitor.socket("art") as socket:
        ingress.apply(public("art", two.upstream()))
        assert {await visitor.who("art") for _ in range(5)} == {"two"}
        await socket.send_str("hello")
        assert await socket.receive_str() == "one: hello"
        assert ingress.open_requests("art", "one.1") == 1
        ingress.apply(public("art"))
        assert await visitor.who("art") == "starting"
        await socket.send_str("again")
        assert await socket.receive_str() == "one: again"
    await eventually(lambda: ingress.open_requests("art", "one.1"), 0)


async def test_a_place_in_use_is_given_away_last(ingress, visitor, backend):
    replicas = [await backend(name) for name in ("one", "two", "three", "four")]
    ingress.apply(public("art", replicas[0].upstream()))
    async with visitor.socket("art") as socket:
        # Three places: the first is held by the socket, the others come and go.
        for replica in (*replicas[1:], *replicas[1:]):
            ingress.apply(public("art", replica.upstream()))
            assert {await visitor.who("art") for _ in range(3)} == {replica.name}
            await socket.send_str("hello")
            assert await socket.receive_str() == "one: hello"
        # Now all three are wanted, and the socket must give way.
        ingress.apply(public("art", *(one.upstream() for one in replicas[1:])))
        message = await socket.receive()
        assert message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE}
    seen = {await visitor.who("art") for _ in range(9)}
    assert seen == {"two", "three", "four"}


async def test_a_slot_goes_to_another_endpoint_with_nothing_left_in_it(
    ingress, visitor, backend
):
    one, two = await backend("one"), await backend("two")
    ingress.apply(public("art", one.upstream()))
    async with visitor.socket("art") as socket:
        ingress.forget("art")
        ingress.apply(public("chat", two.upstream()))
        assert await visitor.who("art") == "unknown"
        assert {await visitor.who("chat") for _ in range(5)} == {"two"}
        await socket.send_str("hello")
        assert await socket.receive_str() == "one: hello"
        # The last answer may be here before HAProxy is done with its request.
        await eventually(lambda: ingress.open_requests("chat", "two.1"), 0)
        await eventually(lambda: ingress.traffic()["chat"].in_flight, 0)


async def test_a_replica_that_is_gone_is_told_apart(ingress, visitor, backend):
    replica, other = await backend("one"), await backend("two")
    ingress.apply(public("art", replica.upstream()))
    await replica.stop()
    status, headers, text = await visitor.get("art")
    assert (status, headers["Retry-After"]) == (503, "2")
    assert json.loads(text)["error"]["code"] == "unavailable"
    ingress.apply(public("art", replica.upstream(), other.upstream()))
    assert {await visitor.who("art") for _ in range(4)} == {"two"}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_is_sent_once_even_if_its_replica_leaves(
    haproxy, backend, method
):
    one, two = await backend("one"), await backend("two")
    haproxy.ingress.apply(public("art", one.upstream(), two.upstream()))
    for _ in range(4):
        async with (
            Visitor(haproxy) as visitor,
            visitor.call("art", "/leave", method, data=b"x") as answer,
        ):
            assert answer.status == 502
    assert one.left + two.left == 4


async def test_on_a_kept_connection_too(ingress, visitor, backend):
    one, two = await backend("one"), await backend("two")
    ingress.apply(public("art", one.upstream(), two.upstream()))
    assert await visitor.who("art") in {"one", "two"}
    # Not the first on its connection, it is answered by closing that: the client
    # knows best whether it may ask again, and for a POST it does not.
    with pytest.raises(aiohttp.ServerDisconnectedError):
        async with visitor.call("art", "/leave", "POST", data=b"x"):
            pass
    assert one.left + two.left == 1


async def test_one_at_a_time_where_a_replica_takes_no_more(ingress, visitor, backend):
    replica = await backend("one")
    ingress.apply(public("art", replica.upstream(), concurrency=1))
    held = asyncio.create_task(visitor.get("art", "/hold"))
    await replica.reached.acquire()
    queued = asyncio.create_task(visitor.get("art", "/hold"))
    await eventually(lambda: ingress.traffic()["art"].in_flight, 2)
    assert replica.reached.locked()
    assert ingress.open_requests("art", "one.1") == 1
    # More at a time: the one in line goes ahead while the other is still held.
    ingress.apply(public("art", replica.upstream(), concurrency=0))
    await visitor.who("art")
    replica.release.set()
    assert {(await held)[0], (await queued)[0]} == {200}


async def test_waiting_in_line_has_an_end(backend):
    replica = await backend("one")
    with running(queue_timeout="100ms") as haproxy:
        haproxy.ingress.apply(public("art", replica.upstream(), concurrency=1))
        async with Visitor(haproxy) as visitor:
            held = asyncio.create_task(visitor.get("art", "/hold"))
            await replica.reached.acquire()
            assert await visitor.who("art") == "unavailable"
            replica.release.set()
            await held


async def test_an_endpoint_has_so_many_requests_and_no_more(backend):
    replica = await backend("one")
    with running() as haproxy:
        haproxy.ingress.apply(public("art", replica.upstream(), most_open=1))
        haproxy.ingress.apply(public("chat", replica.upstream()))
        async with Visitor(haproxy) as visitor:
            held = asyncio.create_task(visitor.get("art", "/hold"))
            await replica.reached.acquire()
            status, headers, text = await visitor.get("art")
            assert (status, headers["Retry-After"]) == (429, "1")
            assert json.loads(text)["error"]["code"] == "busy"
            assert await visitor.who("chat") == "one"
            replica.release.set()
            await held


# -- what the ingress says itself --------------------------------------------------


@pytest.mark.parametrize(
    ("state", "retry"),
    [("starting", "5"), ("paused", None), ("failed", None), ("idle", "5")],
)
async def test_an_endpoint_without_replicas_says_why(ingress, visitor, state, retry):
    ingress.apply(public("art", state=state, hold=0))
    status, headers, text = await visitor.get("art")
    assert (status, headers.get("Retry-After")) == (503, retry)
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    error = json.loads(text)["error"]
    assert (error["code"], error["endpoint"]) == (state, "art")


@pytest.mark.parametrize("state", ["starting", "idle", "paused", "failed"])
async def test_a_browser_sees_a_page_that_says_why(ingress, visitor, state):
    ingress.apply(public("art", state=state))
    status, headers, page = await visitor.get("art", Accept="text/html,*/*;q=0.8")
    coming = state in {"starting", "idle"}
    assert (status, headers.get("Retry-After")) == (503, "2" if coming else None)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Security-Policy"] == content_security_policy()
    assert "<p class=name>art</p>" in page
    assert ("data-code=waiting" in page) == coming
    assert ("<script>" in page) == (state != "paused")


async def test_a_failure_says_why_in_both_spellings(ingress, visitor):
    why = "It exited with “137” & <nothing> more."
    ingress.apply(public("art", state="failed", reason=why))
    error = json.loads((await visitor.get("art"))[2])["error"]
    assert (error["code"], error["reason"]) == ("failed", why)
    page = (await visitor.get("art", Accept="text/html"))[2]
    assert "It exited with “137” &amp; &lt;nothing&gt; more.</p>" in page
    ingress.apply(public("art", state="failed"))
    assert json.loads((await visitor.get("art"))[2])["error"]["reason"] == ""


async def test_a_browser_sees_a_page_for_every_refusal(ingress, visitor, backend):
    replica = await backend("one")
    ingress.apply(private("art", replica.upstream()))
    ingress.apply(public("chat", replica.upstream()))
    for name, path, status in (
        ("nobody", "/", 404),
        ("chat", "/leave", 502),
        ("localhost", "/", 503),
    ):
        found, headers, page = await visitor.get(name, path, Accept="text/html")
        assert found == status
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.startswith("<!doctype html>")
        assert page.endswith("</html>")


async def test_a_replicas_own_answer_stays_as_it_is(ingress, visitor, backend):
    ingress.apply(public("art", (await backend("one")).upstream()))
    status, headers, text = await visitor.get("art", "/failing", Accept="text/html")
    assert (status, text) == (503, "the replica's own words")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "Content-Security-Policy" not in headers
    assert "Cache-Control" not in headers
