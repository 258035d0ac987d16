"""What every ingress promises: the fake and HAProxy pass the same tests."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest

from endpoints.ingress.base import Grant, IngressFull, IngressUnreachable, Traffic
from endpoints.ingress.fake import FakeIngress
from endpoints.tests.ingress_parts import (
    Visitor,
    backend,
    eventually,
    private,
    public,
    running,
)

__all__ = ["backend"]

NOTHING = Traffic(0, 0)


class Fake:
    """The fake, and requests as a test of other parts makes them."""

    def __init__(self):
        self.ingress = FakeIngress(slots=6, servers=3)

    @asynccontextmanager
    async def request(self, name, replica):
        key = self.ingress.begin(name)
        yield
        self.ingress.end(name, key)

    def cut(self):
        self.ingress.reachable = False


class Real:
    """HAProxy, and requests that a client holds open."""

    def __init__(self, haproxy):
        self.ingress = haproxy.ingress
        self.cut = haproxy.kill
        self._haproxy = haproxy

    @asynccontextmanager
    async def request(self, name, replica):
        async with Visitor(self._haproxy) as visitor:
            held = asyncio.create_task(visitor.get(name, "/hold"))
            await replica.reached.acquire()
            yield
            held.cancel()
            await asyncio.gather(held, return_exceptions=True)


@pytest.fixture(params=["fake", pytest.param("haproxy", marks=pytest.mark.haproxy)])
def world(request):
    if request.param == "fake":
        yield Fake()
        return
    with running() as haproxy:
        yield Real(haproxy)


@pytest.fixture
def ingress(world):
    return world.ingress


def test_an_endpoint_is_known_once_it_was_applied(ingress):
    assert ingress.traffic() == {}
    ingress.apply(public("art"))
    ingress.apply(private("chat"))
    assert ingress.traffic() == {"art": NOTHING, "chat": NOTHING}


def test_applying_again_changes_nothing(ingress):
    ingress.apply(public("art"))
    ingress.apply(public("art"))
    assert ingress.traffic() == {"art": NOTHING}


def test_one_that_is_new_is_introduced(ingress):
    ingress.introduce(lambda: public("art"))
    assert ingress.traffic() == {"art": NOTHING}
    for number in range(5):
        ingress.apply(public(f"e{number}"))
    with pytest.raises(IngressFull):
        ingress.introduce(public("one-more"))


def test_a_forgotten_endpoint_is_gone(ingress):
    ingress.apply(public("art"))
    ingress.forget("art")
    ingress.forget("art")
    ingress.forget("never seen")
    assert ingress.traffic() == {}


def test_sync_adds_what_is_missing_and_drops_what_is_not_listed(ingress):
    ingress.apply(public("art"))
    ingress.apply(public("old"))
    ingress.sync([public("art"), public("chat")])
    assert set(ingress.traffic()) == {"art", "chat"}
    ingress.sync(lambda: [public("chat")])
    assert set(ingress.traffic()) == {"chat"}


def test_differences_are_told_and_left_as_they_are(ingress):
    ingress.apply(public("art"))
    ingress.apply(public("chat"))
    ingress.apply(public("old"))
    assert ingress.differences([public(n) for n in ("art", "chat", "old")]) == []
    wanted = [public("art"), private("chat"), public("new")]
    for _ in range(2):
        assert ingress.differences(lambda: wanted) == [
            "The ingress has a route for old, which is no endpoint.",
            "The ingress leads chat elsewhere, or lets in others, than it should.",
            "new has no route in the ingress.",
        ]
    ingress.sync(wanted)
    assert ingress.differences(wanted) == []


def test_no_more_endpoints_than_slots(ingress):
    for number in range(6):
        ingress.apply(public(f"e{number}"))
    with pytest.raises(IngressFull):
        ingress.apply(public("one-more"))
    ingress.forget("e3")
    ingress.apply(public("one-more"))
    assert "one-more" in ingress.traffic()


def test_a_full_ingress_syncs_what_it_has_room_for(ingress):
    routes = [public(f"e{number}") for number in range(7)]
    with pytest.raises(IngressFull):
        ingress.sync(routes)
    assert len(ingress.traffic()) == 6


async def test_no_more_replicas_than_places(ingress, backend):
    replica = await backend("one")
    upstreams = [replica.upstream(f"{number}.1") for number in range(4)]
    with pytest.raises(IngressFull):
        ingress.apply(public("art", *upstreams))


async def test_one_that_is_known_is_not_introduced_again(world, ingress, backend):
    replica = await backend("one")
    ingress.apply(public("art", replica.upstream()))
    ingress.introduce(public("art"))
    async with world.request("art", replica):
        assert ingress.traffic() == {"art": Traffic(1, 1)}


async def test_open_requests_are_counted_where_they_are(world, ingress, backend):
    replica = await backend("one")
    ingress.apply(public("art", replica.upstream()))
    assert ingress.open_requests("art", "one.1") == 0
    async with world.request("art", replica):
        assert ingress.open_requests("art", "one.1") == 1
        assert ingress.open_requests("art", "other.1") == 0
        assert ingress.open_requests("nobody", "nothing") == 0
        assert ingress.traffic() == {"art": Traffic(1, 1)}
    await eventually(ingress.traffic, {"art": Traffic(0, 1)})
    assert ingress.open_requests("art", "one.1") == 0


async def test_a_replica_that_left_still_has_its_open_requests(world, ingress, backend):
    leaver, newcomer = await backend("one"), await backend("two")
    ingress.apply(public("art", leaver.upstream()))
    async with world.request("art", leaver):
        ingress.apply(public("art", newcomer.upstream()))
        assert ingress.open_requests("art", "one.1") == 1
        assert ingress.open_requests("art", "two.1") == 0
        ingress.forget("art")
        assert ingress.open_requests("art", "one.1") == 1
    await eventually(lambda: ingress.open_requests("art", "one.1"), 0)


def test_an_ingress_that_is_away_says_so(world, ingress):
    ingress.apply(public("art"))
    world.cut()
    for call in (
        lambda: ingress.apply(public("art")),
        lambda: ingress.introduce(public("chat")),
        lambda: ingress.forget("art"),
        lambda: ingress.publish("art", public=True),
        lambda: ingress.admit("art", Grant("ABC")),
        lambda: ingress.expel({"ABC"}),
        lambda: ingress.sync([public("art")]),
        lambda: ingress.open_requests("art", "one.1"),
        lambda: ingress.traffic(),
    ):
        with pytest.raises(IngressUnreachable):
            call()


def test_nobody_is_let_in_where_nothing_is(ingress):
    ingress.publish("nobody", public=True)
    ingress.admit("nobody", Grant("ABC"))
    ingress.expel({"ABC", "DEF"})
    assert ingress.traffic() == {}
    # What was said of it before does not count once it is there.
    ingress.apply(private("nobody"))
    assert ingress.traffic() == {"nobody": NOTHING}


def test_many_threads_never_share_a_slot(ingress):
    names = [f"e{number}" for number in range(6)]
    with ThreadPoolExecutor(6) as threads:
        for _ in threads.map(lambda name: ingress.apply(public(name)), names):
            pass
    assert set(ingress.traffic()) == set(names)


def test_a_route_can_be_asked_for(ingress):
    ingress.apply(lambda: private("art"))
    assert ingress.traffic() == {"art": NOTHING}
