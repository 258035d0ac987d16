"""The meter beside a real HAProxy: what passed through it is what is written."""

import asyncio
from datetime import UTC, datetime

import pytest
from channels.db import database_sync_to_async

from endpoints.tests.factories import EndpointFactory
from endpoints.tests.ingress_parts import (
    backend,
    eventually,
    haproxy,
    public,
    visitor,
)
from replicas.engine.fake import FakeStreams, World
from replicas.metrics.point import Point, merge
from replicas.models import Sample
from replicas.runner import metering
from replicas.runner.metering import Meter

__all__ = ["backend", "haproxy", "visitor"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.valkey,
    pytest.mark.haproxy,
]


class Clock:
    def __init__(self):
        self.now = datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp()

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def meter(haproxy, valkey, monkeypatch, clock):
    await database_sync_to_async(EndpointFactory)(name="art")
    monkeypatch.setattr(metering, "get_ingress", lambda: haproxy.ingress)
    made = Meter(FakeStreams(World()), clock)
    await made.step()
    return made


async def ten_seconds(meter, clock):
    for _ in range(5):
        clock.now += metering.SAMPLE
        await meter.step()


@database_sync_to_async
def written():
    """All of it as one point."""
    rows = Sample.objects.filter(step=10, endpoint__name="art").order_by("at")
    return merge([Point.from_json(row.data) for row in rows])


async def test_answers_by_class_and_time(meter, clock, haproxy, visitor, backend):
    haproxy.ingress.apply(public("art", (await backend("one")).upstream()))
    for _ in range(7):
        await visitor.get("art")
    for _ in range(2):
        await visitor.get("art", "/failing")
    for _ in range(3):
        await visitor.get("art", "/nothing")
    # Who has the answer may be a moment ahead of the end of its request.
    await eventually(lambda: haproxy.ingress.traffic()["art"].in_flight, 0)
    await ten_seconds(meter, clock)

    point = await written()

    assert point.requests == 12
    assert point.classes == (0, 7, 0, 3, 2)
    assert sum(point.buckets) == 12
    assert 0 < point.p50 <= point.p95
    assert point.ended


async def test_open_requests_and_those_in_line(meter, clock, haproxy, visitor, backend):
    one = await backend("one")
    haproxy.ingress.apply(public("art", one.upstream(), concurrency=1))
    async with visitor.socket("art"):
        line = [visitor.call("art", "/who") for _ in range(2)]
        tasks = [asyncio.ensure_future(_enter(call)) for call in line]
        while haproxy.ingress.waiting().get("art") != 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await ten_seconds(meter, clock)
    await asyncio.gather(*tasks)

    point = await written()

    assert point.in_flight.mean == 3
    assert point.queued.mean == 2
    assert not point.ended


async def _enter(call):
    async with call as answer:
        await answer.read()


async def test_an_ingress_that_begins_anew_loses_only_what_nobody_saw(
    meter, clock, haproxy, visitor, backend
):
    haproxy.ingress.apply(public("art", (await backend("one")).upstream()))
    for _ in range(5):
        await visitor.get("art")
    await ten_seconds(meter, clock)
    haproxy.kill()
    for _ in range(5):
        clock.now += metering.SAMPLE
        await meter._attempt(meter.step)
    haproxy.start()
    for _ in range(3):
        await visitor.get("art")
    await ten_seconds(meter, clock)

    point = await written()

    assert point.requests == 8
    assert point.classes == (0, 8, 0, 0, 0)
