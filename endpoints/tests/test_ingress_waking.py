"""Requests for an endpoint that sleeps, through a real HAProxy."""

import asyncio
import hashlib
import json
import time

import aiohttp
import pytest

from endpoints.ingress.base import Grant, Traffic
from endpoints.keys import digest_of
from endpoints.tests import ingress_parts
from endpoints.tests.ingress_parts import (
    Visitor,
    Worker,
    backend,
    eventually,
    haproxy,
    private,
    visitor,
    worker,
)

__all__ = ["backend", "haproxy", "visitor", "worker"]

pytestmark = pytest.mark.haproxy


def public(name, *upstreams, **changes):
    """A route that holds requests for as long as people usually wait."""
    return ingress_parts.public(name, *upstreams, **{"hold": 300, **changes})


@pytest.fixture
def ingress(haproxy):
    return haproxy.ingress


@pytest.fixture
async def sleeping(ingress, worker, backend):
    """“art” sleeps; a wake makes its one replica ready."""
    replica = await backend("one")
    ingress.apply(public("art", state="idle"))
    worker.on_wake = lambda name: ingress.apply(public(name, replica.upstream()))
    return replica


def code_of(text):
    return json.loads(text)["error"]["code"]


def times_told(began, threads):
    """How often the worker is told since then at most: by each of so many threads of
    HAProxy once, and again each half second until the replica is there."""
    return threads * (1 + int((time.monotonic() - began) / 0.5))


async def test_a_request_wakes_it_and_is_answered(ingress, sleeping, worker, visitor):
    began = time.monotonic()
    assert await visitor.who("art") == "one"
    assert await visitor.who("art") == "one"
    assert set(worker.woken) == {"art"}
    assert len(worker.woken) <= times_told(began, threads=1)
    # The second found it awake.
    assert ingress.answers()["art"].held == 1


async def test_a_hundred_at_once_are_all_answered(haproxy, sleeping, worker, visitor):
    began = time.monotonic()
    answers = await asyncio.gather(*(visitor.who("art") for _ in range(100)))
    assert answers == ["one"] * 100
    assert set(worker.woken) == {"art"}
    assert len(worker.woken) <= times_told(began, haproxy.setup.threads)


async def test_a_body_that_had_to_wait_arrives_as_it_was(sleeping, visitor):
    body = hashlib.sha256(b"seed").digest() * (10 << 15)
    async with visitor.call("art", "/echo", "POST", data=body) as answer:
        told = json.loads(await answer.text())
    assert told["size"] == len(body) == 10 << 20
    assert told["sha256"] == hashlib.sha256(body).hexdigest()


async def test_a_websocket_waits_too(sleeping, visitor):
    async with visitor.socket("art") as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "one: hello"


async def test_a_start_that_fails_is_answered_at_once(ingress, worker, visitor):
    ingress.apply(public("art", state="idle", hold=600))
    failed = public("art", state="failed", reason="It exited with code 3.")
    worker.on_wake = lambda name: ingress.apply(failed)
    status, _, text = await visitor.get("art")
    assert (status, code_of(text)) == (503, "failed")
    assert json.loads(text)["error"]["reason"] == "It exited with code 3."


async def test_pausing_or_deleting_ends_the_wait(ingress, worker, visitor):
    for change, status, code in (
        (lambda name: ingress.apply(public(name, state="paused")), 503, "paused"),
        (ingress.forget, 404, "unknown"),
    ):
        ingress.apply(public(f"art-{code}", state="idle", hold=600))
        worker.on_wake = change
        found, _, text = await visitor.get(f"art-{code}")
        assert (found, code_of(text)) == (status, code)


async def test_the_wait_ends_at_the_endpoints_limit(ingress, worker, visitor):
    ingress.apply(public("art", state="starting", hold=1))
    status, headers, text = await visitor.get("art")
    assert (status, headers["Retry-After"], code_of(text)) == (503, "5", "starting")


async def test_a_request_says_itself_how_long_it_waits(ingress, worker, visitor):
    ingress.apply(public("art", state="idle", hold=600))
    status, _, text = await visitor.get("art", X_Alight_Wait="0")
    assert (status, code_of(text)) == (503, "idle")
    # It woke the endpoint all the same.
    await worker.asked.acquire()


@pytest.mark.parametrize("nonsense", ["soon", "-5", "1e400", "0x7fffffffffffffffff"])
async def test_a_nonsense_wait_does_no_harm(sleeping, visitor, nonsense):
    status, _, text = await visitor.get("art", X_Alight_Wait=nonsense)
    assert status == 200 or code_of(text) == "idle"


async def test_a_worker_that_is_away_only_means_waiting(haproxy, backend, visitor):
    replica = await backend("one")
    haproxy.ingress.apply(public("art", state="idle"))
    asked = asyncio.create_task(visitor.who("art"))
    await eventually(lambda: haproxy.ingress.traffic()["art"].in_flight, 1)
    worker = Worker()
    ready = public("art", replica.upstream())
    worker.on_wake = lambda name: haproxy.ingress.apply(ready)
    await worker.start(haproxy.setup.worker_socket)
    assert await asked == "one"
    await worker.stop()


@pytest.mark.parametrize("body", [b"", b"x" * 5000], ids=["get", "post"])
async def test_a_client_that_leaves_is_forgotten(haproxy, worker, body):
    ingress = haproxy.ingress
    ingress.apply(public("art", state="idle", hold=600))
    async with Visitor(haproxy) as visitor:
        method = "POST" if body else "GET"
        call = visitor.call("art", "/echo", method, data=body or None)
        asked = asyncio.create_task(call.__aenter__())
        await eventually(lambda: ingress.traffic()["art"].in_flight, 1)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
    await eventually(lambda: ingress.traffic()["art"], Traffic(0, 1))


async def test_those_who_wait_are_counted_as_in_flight(haproxy, worker, backend):
    ingress = haproxy.ingress
    replica = await backend("one")
    ingress.apply(public("art", state="idle", hold=600))
    async with Visitor(haproxy) as visitor:
        asked = [asyncio.create_task(visitor.who("art")) for _ in range(5)]
        await eventually(lambda: ingress.waiting(), {"art": 5})
        assert ingress.traffic()["art"].in_flight == 5
        ingress.apply(public("art", replica.upstream()))
        assert await asyncio.gather(*asked) == ["one"] * 5
    await eventually(lambda: ingress.traffic()["art"].in_flight, 0)
    assert ingress.waiting() == {}
    assert ingress.answers()["art"].held == 5


async def test_a_browser_sees_the_waiting_page_and_wakes(ingress, worker, visitor):
    ingress.apply(public("art", state="idle"))
    for headers in ({}, {"Sec-Fetch-Mode": "navigate"}):
        status, found, page = await visitor.get("art", Accept="text/html", **headers)
        assert (status, found["Retry-After"]) == (503, "2")
        assert "data-code=waiting" in page
    await worker.asked.acquire()
    assert set(worker.woken) == {"art"}
    # The page is answered at once: a page that looks is no use of the endpoint.
    await eventually(lambda: ingress.traffic()["art"].in_flight, 0)


async def test_what_a_page_loads_is_held_like_any_request(sleeping, visitor):
    headers = {"Accept": "text/html", "Sec-Fetch-Mode": "no-cors"}
    async with visitor.call("art", "/who", headers=headers) as answer:
        assert (answer.status, await answer.text()) == (200, "one")


async def test_the_start_is_told_by_the_console_until_it_is_over(
    haproxy, visitor, backend
):
    console = await backend("console", haproxy.setup.web_socket)
    haproxy.ingress.apply(public("art", state="idle"))
    status, _, text = await visitor.get("art", "/-/alight/start")
    assert (status, text) == (404, "404: Not Found")
    assert console.name == "console"
    replica = await backend("one")
    haproxy.ingress.apply(public("art", replica.upstream()))
    status, _, text = await visitor.get("art", "/-/alight/start")
    assert (status, json.loads(text)) == (200, {"state": "ready"})
    assert haproxy.ingress.traffic()["art"].requests == 0


async def test_requests_wait_in_line_where_a_replica_is_full(ingress, visitor, backend):
    one, two = await backend("one"), await backend("two")
    ingress.apply(public("art", one.upstream(), concurrency=1))
    first = asyncio.create_task(visitor.get("art", "/hold"))
    await one.reached.acquire()
    others = [asyncio.create_task(visitor.who("art")) for _ in range(3)]
    await eventually(lambda: ingress.waiting(), {"art": 3})
    # A second replica takes over the line.
    ingress.apply(public("art", one.upstream(), two.upstream(), concurrency=1))
    assert await asyncio.gather(*others) == ["two"] * 3
    one.release.set()
    assert (await first)[0] == 200
    await eventually(ingress.waiting, {})


async def test_a_line_that_is_too_long_is_said(ingress, visitor, backend):
    one = await backend("one")
    ingress.apply(public("art", one.upstream(), concurrency=1, most_open=2))
    held = [asyncio.create_task(visitor.get("art", "/hold")) for _ in range(2)]
    await one.reached.acquire()
    await eventually(lambda: ingress.traffic()["art"].in_flight, 2)
    status, headers, text = await visitor.get("art")
    assert (status, headers["Retry-After"], code_of(text)) == (429, "1", "busy")
    one.release.set()
    assert [answer[0] for answer in await asyncio.gather(*held)] == [200, 200]


async def test_a_wake_between_stop_and_start_gives_no_error(
    ingress, worker, visitor, backend
):
    """The last replica retires while requests come: each waits for the next one."""
    one, two = await backend("one"), await backend("two")
    ingress.apply(public("art", one.upstream()))
    failed = []
    done = asyncio.Event()

    async def call():
        while not done.is_set():
            try:
                status, _, text = await visitor.get("art")
            except aiohttp.ClientError as error:
                failed.append(repr(error))
            else:
                if status != 200:
                    failed.append(text)

    callers = [asyncio.create_task(call()) for _ in range(8)]
    for replica in [two, one] * 5:
        ready = public("art", replica.upstream())
        worker.on_wake = lambda name, ready=ready: ingress.apply(ready)
        await asyncio.to_thread(ingress.apply, public("art", state="idle"))
        await worker.asked.acquire()
    done.set()
    await asyncio.gather(*callers)
    assert failed == []


async def test_who_is_shut_out_while_held_does_not_get_through(
    ingress, worker, visitor, backend
):
    """A token that is revoked, and a public endpoint that becomes private."""
    one = await backend("one")
    token, digest = "Bearer alt_secret", digest_of("alt_secret")
    for name, route, headers, change in (
        (
            "token",
            private("token", state="idle", hold=600, grants=(Grant(digest),)),
            {"Authorization": token},
            lambda: ingress.expel({digest}),
        ),
        (
            "open",
            public("open", state="idle", hold=600),
            {},
            lambda: ingress.publish("open", public=False),
        ),
    ):
        ingress.apply(route)
        held = asyncio.create_task(visitor.get(name, **headers))
        await eventually(ingress.waiting, {name: 1})
        change()
        status, _, text = await held
        assert (status, code_of(text)) == (401, "private")
    assert one.left == 0


async def test_a_replica_that_is_gone_costs_the_others_nothing(
    ingress, visitor, backend
):
    """It refuses while the others are full, and nobody has told the ingress yet."""
    ones = [await backend(name) for name in ("one", "two", "three")]
    ingress.apply(public("art", *(o.upstream() for o in ones), concurrency=2))
    answers, done = [], asyncio.Event()

    async def call():
        while not done.is_set():
            answers.append(await visitor.get("art"))

    async def until(count):
        wanted = len(answers) + count
        while len(answers) < wanted:  # noqa: ASYNC110 (answers come by themselves)
            await asyncio.sleep(0.01)

    callers = [asyncio.create_task(call()) for _ in range(16)]
    await until(50)
    await ones[0].stop()
    await until(200)
    ingress.apply(public("art", *(o.upstream() for o in ones[1:]), concurrency=2))
    await until(50)
    done.set()
    await asyncio.gather(*callers)
    assert [text for status, _, text in answers if status != 200] == []


async def test_who_comes_while_the_only_replica_is_gone_waits_for_the_next(
    ingress, worker, visitor, backend
):
    one, two = await backend("one"), await backend("two")
    ingress.apply(public("art", one.upstream()))
    assert await visitor.who("art") == "one"
    await one.stop()
    # The first finds it gone, and so it is out before the worker knows.
    assert (await visitor.get("art"))[0] == 503
    held = asyncio.create_task(visitor.who("art"))
    await eventually(ingress.waiting, {"art": 1})
    ingress.apply(public("art", two.upstream()))
    assert await held == "two"
