"""The meter's rhythm, on the fake ingress and engine: what it writes, and when."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from channels.db import database_sync_to_async
from django.db import OperationalError

from endpoints.ingress.base import BOUNDS, Answers
from endpoints.tests.factories import AccessKeyFactory, EndpointFactory, UserFactory
from replicas.engine.fake import FakeStreams
from replicas.metrics import snapshot
from replicas.metrics.gpus import GpuNow
from replicas.metrics.point import Point
from replicas.models import Replica, Sample
from replicas.runner import metering
from replicas.runner.metering import Meter
from replicas.states import ReplicaState as S
from replicas.tests.factories import GpuFactory
from replicas.tests.house import House

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.valkey]

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


class Clock:
    def __init__(self):
        self.now = NOON.timestamp() + 0.25

    def __call__(self):
        return self.now


class Driver:
    """Tells of every GPU the same."""

    def __init__(self):
        self.now = GpuNow(0.5, 10, 100)
        self.asked = 0

    def look(self, uuids):
        self.asked += 1
        return dict.fromkeys(uuids, self.now)

    def close(self):
        pass


@pytest.fixture
def house(valkey, monkeypatch):
    made = House(monkeypatch)
    monkeypatch.setattr(metering, "get_ingress", lambda: made.ingress)
    return made


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def meter(house, clock, monkeypatch):
    monkeypatch.setattr(metering, "_DRIVER_PATIENCE", 60)
    made = Meter(FakeStreams(house.world), clock)
    made._driver = Driver()
    return made


async def pass_time(meter, clock, seconds):
    """Every sample that falls into the next so many seconds."""
    for _ in range(seconds // metering.SAMPLE):
        clock.now += metering.SAMPLE
        await meter.step()


def answered(count):
    buckets = [0] * (len(BOUNDS) + 1)
    buckets[3] = count
    return Answers((0, count, 0, 0, 0), tuple(buckets), 0)


@database_sync_to_async
def ready_endpoint(house, name="whisper"):
    endpoint = house.endpoint(name=name)
    assert house.up(endpoint) == [S.READY]
    return endpoint


@database_sync_to_async
def rows(step=10):
    """Points by second after noon."""
    return {
        int((row.at - NOON).total_seconds()): Point.from_json(row.data)
        for row in Sample.objects.filter(step=step)
    }


async def test_a_span_is_written_when_it_is_over(house, meter, clock):
    await ready_endpoint(house)
    await meter.step()
    first = house.ingress.begin("whisper")
    await pass_time(meter, clock, 4)
    house.ingress.begin("whisper")
    house.ingress.answered["whisper"] = answered(5)
    assert await rows() == {}

    await pass_time(meter, clock, 6)

    found = await rows()
    assert list(found) == [0]
    point = found[0]
    assert (point.seconds, point.requests) == (10, 2)
    assert point.classes == (0, 5, 0, 0, 0)
    # One for four seconds, two for six.
    assert point.in_flight.mean == pytest.approx(1.6)
    assert point.in_flight.most == 2
    assert point.ready.mean == 1
    house.ingress.end("whisper", first)


async def test_requests_in_line(house, meter, clock):
    await ready_endpoint(house)
    await meter.step()
    house.ingress.begin("whisper")
    house.ingress.queued["whisper"] = 3
    await pass_time(meter, clock, 10)

    assert (await rows())[0].queued.most == 3


async def test_use_of_a_container(house, meter, clock):
    await ready_endpoint(house)
    (container,) = house.world.containers.values()
    await meter.step()
    await pass_time(meter, clock, 10)
    container.cpu, container.sent = 4.0, 1000
    await pass_time(meter, clock, 10)

    point = (await rows())[10]
    assert point.uses[1].busy == 4
    assert point.uses[1].sent == 1000
    assert point.uses[1].memory.most == container.memory


async def test_an_engine_that_is_away_costs_its_own_numbers_only(house, meter, clock):
    await ready_endpoint(house)
    await meter.step()
    house.world.down = True
    house.ingress.begin("whisper")

    await pass_time(meter, clock, 10)

    point = (await rows())[0]
    assert (point.requests, point.uses) == (1, {})


async def test_an_engine_that_hangs_does_not_hold_the_rest_up(
    house, meter, clock, monkeypatch
):
    await ready_endpoint(house)
    monkeypatch.setattr(metering, "_PATIENCE", 0.01)
    monkeypatch.setattr(meter._streams, "usage", lambda _: asyncio.Event().wait())
    await meter.step()
    house.ingress.begin("whisper")

    await pass_time(meter, clock, 10)

    assert (await rows())[0].requests == 1


async def test_while_the_ingress_is_away_nothing_is_written(
    house, meter, clock, caplog
):
    await ready_endpoint(house)
    await meter.step()
    house.ingress.begin("whisper")
    house.ingress.reachable = False
    for _ in range(10):
        clock.now += metering.SAMPLE
        await meter._attempt(meter.step)
    assert await rows() == {}
    said = [r for r in caplog.records if r.name == metering.__name__]
    assert len(said) == 1

    house.ingress.reachable = True
    await pass_time(meter, clock, 10)

    # What began meanwhile is counted, over all that time.
    found = await rows()
    assert list(found) == [10, 20]
    assert (found[10].requests, found[10].seconds) == (1, 22)
    assert (found[20].requests, found[20].seconds) == (0, 8)


async def test_a_database_that_takes_nothing_loses_nothing(
    house, meter, clock, monkeypatch
):
    await ready_endpoint(house)
    await meter.step()
    house.ingress.begin("whisper")
    with monkeypatch.context() as broken:

        def refuse(*_):
            raise OperationalError("database or disk is full")

        broken.setattr(metering.store, "write", refuse)
        with pytest.raises(OperationalError):
            await pass_time(meter, clock, 10)
    await pass_time(meter, clock, 10)

    found = await rows()
    assert sum(point.requests for point in found.values()) == 1
    assert sum(point.seconds for point in found.values()) >= 10


async def test_what_fails_after_the_rows_counts_nothing_twice(
    house, meter, clock, monkeypatch
):
    await ready_endpoint(house)
    await meter.step()
    house.ingress.begin("whisper")
    with monkeypatch.context() as broken:

        def refuse(_):
            raise OperationalError("database is locked")

        broken.setattr(metering.keys, "note_use", refuse)
        with pytest.raises(OperationalError):
            await pass_time(meter, clock, 10)
    await pass_time(meter, clock, 10)

    found = await rows()
    assert {at: point.requests for at, point in found.items()} == {0: 1, 10: 0}


async def test_a_clock_that_is_put_back_begins_anew(house, meter, clock):
    await ready_endpoint(house)
    await meter.step()
    await pass_time(meter, clock, 10)
    clock.now -= 3600
    await pass_time(meter, clock, 20)

    assert sorted(await rows())[0] == -3590


async def test_gpus_by_their_replica(house, meter, clock):
    endpoint = await ready_endpoint(house)
    replica = await Replica.objects.aget(endpoint=endpoint)
    await database_sync_to_async(GpuFactory)(replica=replica)
    await meter.step()
    await pass_time(meter, clock, 20)

    point = (await rows())[10]
    assert point.gpu == 0.5
    assert (point.gpu_memory, point.gpu_memory_limit) == (10, 100)
    assert meter._driver.asked == 10


async def test_without_gpus_the_driver_is_left_alone(house, meter, clock):
    await ready_endpoint(house)
    await meter.step()
    await pass_time(meter, clock, 10)

    assert meter._driver.asked == 0


async def test_minutes_are_made_and_old_rows_go(house, meter, clock):
    endpoint = await ready_endpoint(house)
    old = NOON - timedelta(hours=2)
    await Sample.objects.acreate(endpoint=endpoint, step=10, at=old, data={"s": 10})
    await meter.step()
    await pass_time(meter, clock, 60)

    assert list(await rows(10)) == [0, 10, 20, 30, 40, 50]
    assert (await rows(60))[0].seconds == pytest.approx(60)


async def test_a_start_is_counted_with_its_time(house, meter, clock):
    endpoint = await database_sync_to_async(house.endpoint)(name="whisper")
    await meter.step()
    await database_sync_to_async(house.up)(endpoint)
    ready = datetime.fromtimestamp(clock.now + 1, UTC)
    await Replica.objects.aupdate(
        ready_at=ready, created_at=ready - timedelta(seconds=42)
    )

    await pass_time(meter, clock, 10)

    (start,) = (await rows())[0].starts
    assert (start.seconds, start.cold) == (42, True)


async def test_a_worker_after_this_one_counts_on(house, meter, clock):
    await ready_endpoint(house)
    await meter.step()
    await pass_time(meter, clock, 10)
    house.ingress.begin("whisper")
    clock.now += 4

    other = Meter(FakeStreams(house.world), clock)
    await pass_time(other, clock, 6)

    assert (await rows())[10].requests == 1


async def test_what_was_seen_is_there_for_prometheus(house, meter, clock):
    await ready_endpoint(house)
    house.ingress.begin("whisper")
    await meter.step()

    seen = await asyncio.to_thread(snapshot.read, clock.now)

    assert seen.endpoints["whisper"].in_flight == 1
    (replica,) = seen.replicas
    assert (replica.endpoint, replica.state) == ("whisper", "ready")
    assert await asyncio.to_thread(snapshot.read, clock.now + 61) is None


async def test_tokens_in_use_are_noted(house, meter, clock):
    @database_sync_to_async
    def token():
        return AccessKeyFactory(owner=UserFactory())

    key = await token()
    await meter.step()
    house.ingress.called[key.digest] += 1

    await pass_time(meter, clock, 10)

    await key.arefresh_from_db()
    assert key.last_used_at is not None


async def test_idle_endpoints_have_no_rows(house, meter, clock):
    @database_sync_to_async
    def many():
        owner = UserFactory()
        for number in range(20):
            EndpointFactory(name=f"idle-{number}", owner=owner)

    await many()
    await meter.step()
    await pass_time(meter, clock, 60)

    assert await Sample.objects.acount() == 0


async def test_it_runs_until_it_is_cancelled(house):
    await ready_endpoint(house)
    # A clock that runs quickly: ten seconds of the meter in a moment.
    start = asyncio.get_running_loop().time()
    meter = Meter(
        FakeStreams(house.world),
        lambda: NOON.timestamp() + 20 * (asyncio.get_event_loop().time() - start),
    )
    task = asyncio.create_task(meter.run())
    async with asyncio.timeout(60):
        while not await rows():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
