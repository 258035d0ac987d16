"""The ingress knocks for a request that waits: one replica starts, at once."""

import asyncio
import threading
from contextlib import asynccontextmanager

import aiohttp
import pytest
from asgiref.sync import sync_to_async

from endpoints import services, sizing
from endpoints.models import Endpoint, Event
from endpoints.steps import Reason
from replicas.engine.fake import FakeStreams, World
from replicas.models import Replica
from replicas.runner.door import Door
from replicas.runner.looking import look
from replicas.runner.scaling import Autoscaler
from replicas.runner.volumes import VolumeKeeper
from replicas.states import ReplicaState as S
from replicas.tests.house import House

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.valkey]


@pytest.fixture
def house(valkey, monkeypatch):
    house = House(monkeypatch)
    house.has_image()
    return house


@pytest.fixture
def cold(house):
    return house.endpoint(min_replicas=0, max_replicas=3, target_count=0)


@asynccontextmanager
async def knocking(settings, tmp_path):
    """Posts to the worker's door as the ingress does; answers the status."""
    settings.ALIGHT_WORKER_SOCKET = str(tmp_path / "worker.sock")
    streams = FakeStreams(World())
    door = Door(streams, VolumeKeeper(streams))
    await door.sweep()
    connector = aiohttp.UnixConnector(settings.ALIGHT_WORKER_SOCKET, limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:

        async def knock(name):
            async with http.post("http://worker/wake", json={"name": name}) as answer:
                return answer.status

        try:
            yield knock
        finally:
            await door.close()


async def until(check):
    async with asyncio.timeout(30):
        while not await sync_to_async(check)():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def starting():
    return Replica.objects.filter(state=S.STARTING).exists()


async def test_a_hundred_knocks_start_one(cold, settings, tmp_path):
    async with knocking(settings, tmp_path) as knock:
        answers = await asyncio.gather(*(knock(cold.name) for _ in range(100)))
        await until(starting)
        assert await knock(cold.name) == 200
    assert set(answers) == {200}
    assert await Replica.objects.acount() == 1
    assert await Event.objects.filter(reason=Reason.WOKEN).acount() == 1


async def test_it_starts_though_the_one_who_knocked_has_left(
    cold, settings, tmp_path, monkeypatch
):
    begun, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(endpoint):
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(30)
        return really(endpoint)

    really = sizing.wake
    monkeypatch.setattr("replicas.runner.waking.sizing.wake", slow)
    async with knocking(settings, tmp_path) as knock:
        leaving = asyncio.create_task(knock(cold.name))
        await begun.wait()
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        go_on.set()
        await until(starting)


async def test_nothing_starts_for_what_is_paused_or_unknown(cold, settings, tmp_path):
    await sync_to_async(services.pause)(cold, "alice")
    async with knocking(settings, tmp_path) as knock:
        assert await knock(cold.name) == 200
        assert await knock("nobody") == 404
    assert not await Replica.objects.aexists()
    row = await Endpoint.objects.aget(pk=cold.pk)
    assert row.target_count == 0


async def test_an_engine_that_hangs_delays_neither_wake_nor_scaler(
    house, cold, settings, tmp_path, monkeypatch
):
    released = threading.Event()
    waiting = threading.Semaphore(0)

    def hang(endpoint_id):
        waiting.release()
        released.wait(60)

    monkeypatch.setattr("replicas.tasks.reconcile", hang)
    ticked = []
    monkeypatch.setattr("replicas.scaling.scaler.get_ingress", lambda: house.ingress)
    scaler = Autoscaler()
    scaler._sees = True
    monkeypatch.setattr(scaler._scaler, "tick", lambda now: ticked.append(now) or [])
    # More passes than there are threads for them.
    looks = [asyncio.create_task(look(cold.pk)) for _ in range(40)]
    try:
        await asyncio.to_thread(waiting.acquire, timeout=30)
        async with asyncio.timeout(30), knocking(settings, tmp_path) as knock:
            assert await knock(cold.name) == 200
            await scaler.step()
        assert len(ticked) == 1
        assert not any(one.done() for one in looks)
    finally:
        released.set()
        await asyncio.gather(*looks)
