"""Volumes at the engine: removed, measured and read by the worker, asked for by web."""

import asyncio
import io
import tarfile
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.conf import settings as conf
from django.core.asgi import get_asgi_application
from django.test import AsyncClient, Client
from django.utils import timezone

from endpoints import revisions, volumes, worker
from endpoints.models import Revision, Volume
from endpoints.tests.factories import EndpointFactory, spec, volume
from endpoints.tests.streams import Listener
from replicas.engine.base import EngineRefused, Wanted
from replicas.engine.fake import FakeEngine, FakeImage, FakeStreams, World
from replicas.runner import volumes as keeping
from replicas.runner.door import Door
from replicas.runner.volumes import VolumeKeeper
from replicas.states import ReplicaState as S
from replicas.tests.factories import ReplicaFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(monkeypatch, settings, tmp_path):
    settings.ALIGHT_WORKER_SOCKET = str(tmp_path / "worker.sock")
    made = World()
    engine = FakeEngine(made)
    monkeypatch.setattr(keeping, "get_engine", lambda: engine)
    return made


@pytest.fixture
def checkpoints(world, alice):
    """A volume with a file of 5 bytes."""
    row = volumes.ensure(alice.pk, "checkpoints")
    world.volumes[row.engine_name] = {"notes.txt": b"kept\n"}
    return row


@asynccontextmanager
async def working(streams):
    """A worker's door and what is behind it."""
    keeper = VolumeKeeper(streams)
    door = Door(streams, keeper)
    await door.sweep()
    try:
        yield keeper
    finally:
        await door.close()
        await keeper.close()


def hold(world, row):
    """A container that somebody runs with this volume."""
    world.images["other:1"] = FakeImage()
    wanted = Wanted(
        name="somebodys",
        image="other:1",
        labels={},
        port=1,
        node="",
        volumes=((row.engine_name, "/data"),),
    )
    return FakeEngine(world).create(wanted).id


async def sizes():
    rows = Volume.objects.order_by("pk").values_list("size_bytes", flat=True)
    return [size async for size in rows]


# --- Who uses what -----------------------------------------------------------
def test_a_replica_uses_it_until_it_has_ended(alice, checkpoints):
    files = spec(volume=volume("checkpoints")).to_json()
    endpoint = EndpointFactory(owner=alice, name="art", spec=files)
    # One of this revision has ended before, which says nothing about the other.
    ReplicaFactory(endpoint=endpoint, state=S.STOPPED)
    running = ReplicaFactory(endpoint=endpoint, ready=True)
    endpoint.spec = spec().to_json()
    revisions.begin(endpoint, "alice")
    endpoint.save()
    Revision.objects.filter(number=2).update(settled_at=timezone.now())
    assert volumes.users_of(checkpoints) == ["art"]
    running.state = S.STOPPED
    running.save()
    assert volumes.users_of(checkpoints) == []


# --- Removing ----------------------------------------------------------------
async def test_a_volume_goes_while_web_waits(world, checkpoints):
    async with working(FakeStreams(world)):
        await sync_to_async(volumes.delete)(checkpoints)
    assert world.volumes == {}
    assert not await Volume.objects.aexists()


async def test_a_wish_that_nobody_heard_is_found(world, checkpoints):
    await sync_to_async(volumes.delete)(checkpoints)
    assert world.volumes
    keeper = VolumeKeeper(FakeStreams(world))
    await keeper.sweep()
    await keeper.close()
    assert world.volumes == {}
    assert not await Volume.objects.aexists()


async def test_one_that_the_engine_lost_is_gone(world, checkpoints):
    world.volumes.clear()
    async with working(FakeStreams(world)):
        await sync_to_async(volumes.delete)(checkpoints)
    assert not await Volume.objects.aexists()


async def test_a_new_one_of_that_name_has_none_of_the_files(world, alice, checkpoints):
    world.go_down()
    async with working(FakeStreams(world)) as keeper:
        await sync_to_async(volumes.delete)(checkpoints)
        again = await sync_to_async(volumes.ensure)(alice.pk, "checkpoints")
        world.come_back()
        world.volumes[again.engine_name] = {"new.txt": b"new\n"}
        assert await keeper.remove_all()
    assert world.volumes == {again.engine_name: {"new.txt": b"new\n"}}
    assert await Volume.objects.aget() == again


async def test_the_engine_is_away_and_nothing_is_said(world, checkpoints):
    world.go_down()
    async with working(FakeStreams(world)) as keeper:
        await sync_to_async(volumes.delete)(checkpoints)
        await checkpoints.arefresh_from_db()
        assert checkpoints.deleting
        assert checkpoints.trouble == ""
        world.come_back()
        assert await keeper.remove_all()
    assert not await Volume.objects.aexists()


async def test_somebody_elses_container_holds_it(world, checkpoints):
    container = await sync_to_async(hold)(world, checkpoints)
    async with working(FakeStreams(world)) as keeper:
        await sync_to_async(volumes.delete)(checkpoints)
        await checkpoints.arefresh_from_db()
        # In the words people know it by.
        assert "volume checkpoints " in checkpoints.trouble
        world.vanish(container)
        await sync_to_async(volumes.delete)(checkpoints)
    assert not await Volume.objects.aexists()
    assert keeper


async def test_what_cannot_be_removed_is_not_tried_at_every_sweep(
    world, checkpoints, monkeypatch
):
    tries = []

    class Refusing(FakeEngine):
        def remove_volume(self, name):
            tries.append(name)
            raise EngineRefused("The device is busy.")

    engine = Refusing(world)
    monkeypatch.setattr(keeping, "get_engine", lambda: engine)
    await sync_to_async(volumes.delete)(checkpoints)
    keeper = VolumeKeeper(FakeStreams(world))
    for _ in range(3):
        await keeper.sweep()
    assert len(tries) == 1
    monkeypatch.setattr(keeping, "_AGAIN", 0)
    keeper = VolumeKeeper(FakeStreams(world))
    for _ in range(3):
        await keeper.sweep()
    assert len(tries) == 4
    await keeper.close()


# --- Measuring ---------------------------------------------------------------
async def measure(owner_id):
    await sync_to_async(worker.measure_volumes)(owner_id)


async def test_sizes_of_an_account(world, alice, charlie, checkpoints):
    other = await sync_to_async(volumes.ensure)(charlie.pk, "other")
    world.volumes[other.engine_name] = {"a": b"123"}
    async with working(FakeStreams(world)):
        await measure(alice.pk)
        assert await sizes() == [5, None]
        await measure(None)
        assert await sizes() == [5, 3]


async def test_a_fresh_size_is_not_measured_again(world, alice, checkpoints):
    async with working(FakeStreams(world)):
        await measure(alice.pk)
        world.volumes[checkpoints.engine_name]["more"] = b"12345"
        await measure(alice.pk)
        assert await sizes() == [5]
        old = timezone.now() - timedelta(seconds=61)
        await Volume.objects.aupdate(measured_at=old)
        await measure(alice.pk)
        assert await sizes() == [10]


async def test_one_that_no_replica_has_made_yet(world, alice):
    row = await sync_to_async(volumes.ensure)(alice.pk, "new")
    async with working(FakeStreams(world)):
        await measure(alice.pk)
    await row.arefresh_from_db()
    assert row.size_bytes is None
    assert row.measured_at is not None


async def test_the_engine_is_away(world, alice, checkpoints):
    world.go_down()
    async with working(FakeStreams(world)):
        with pytest.raises(worker.WorkerRefused) as refused:
            await measure(alice.pk)
    assert refused.value.reason == "EngineUnreachable"


async def test_who_cannot_wait_does_not_stop_the_counting(world, alice, checkpoints):
    counted = asyncio.Event()

    class Slow(FakeStreams):
        rounds = 0

        async def volume_sizes(self, names):
            self.rounds += 1
            await counted.wait()
            return await super().volume_sizes(names)

    streams = Slow(world)
    async with working(streams):
        with pytest.raises(worker.WorkerSlow):
            await sync_to_async(worker.measure_volumes)(alice.pk, seconds=0.1)
        counted.set()
        # Who comes meanwhile has the same round's sizes.
        await measure(alice.pk)
    assert await sizes() == [5]
    assert streams.rounds == 1


async def test_volumes_of_running_replicas_are_measured_by_themselves(
    world, alice, checkpoints
):
    def use():
        files = spec(volume=volume("checkpoints")).to_json()
        ReplicaFactory(endpoint=EndpointFactory(owner=alice, spec=files), ready=True)
        unused = volumes.ensure(alice.pk, "unused")
        world.volumes[unused.engine_name] = {"a": b"1"}

    await sync_to_async(use)()
    keeper = VolumeKeeper(FakeStreams(world))
    await keeper.sweep()
    async with asyncio.timeout(60):
        while await sizes() != [5, None]:  # noqa: ASYNC110 - it says nothing
            await asyncio.sleep(0.01)
    world.volumes[checkpoints.engine_name]["more"] = b"12345"

    async def count_after(minutes):
        await Volume.objects.aupdate(
            measured_at=timezone.now() - timedelta(minutes=minutes)
        )
        await keeper._measure_used()
        return await sizes()

    assert await count_after(14) == [5, None]
    assert await count_after(16) == [10, None]
    await keeper.close()


async def test_a_fault_in_counting_is_logged(world, alice, checkpoints, caplog):
    class Broken(FakeStreams):
        async def volume_sizes(self, names):
            raise RuntimeError("a bug")

    async with working(Broken(world)):
        with pytest.raises(worker.WorkerRefused, match="a problem of its own"):
            await measure(alice.pk)
    assert "Volumes could not be measured" in caplog.text


# --- Reading -----------------------------------------------------------------
def names_in(packed):
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        return {entry.name: entry.size for entry in tar if entry.isfile()}


async def read(row):
    return b"".join([piece async for piece in await worker.volume_archive(row.pk)])


async def test_a_volume_as_a_tar(world, checkpoints):
    async with working(FakeStreams(world)):
        assert names_in(await read(checkpoints)) == {"./notes.txt": 5}


async def test_one_that_is_gone(world, checkpoints):
    await checkpoints.adelete()
    checkpoints.pk = 1
    async with working(FakeStreams(world)):
        with pytest.raises(worker.WorkerRefused, match="This volume is deleted"):
            await read(checkpoints)


async def test_one_without_files_yet(world, checkpoints):
    world.volumes.clear()
    async with working(FakeStreams(world)):
        with pytest.raises(worker.WorkerRefused, match="checkpoints has no files yet"):
            await read(checkpoints)


class Pouring(FakeStreams):
    """A volume that never ends, until `broken` is set."""

    def __init__(self, world):
        super().__init__(world)
        self.given = 0
        self.broken, self.closed = asyncio.Event(), asyncio.Event()

    async def volume_archive(self, name, *, gzip=False):
        try:
            while not self.broken.is_set():
                self.given += 1
                yield bytes(64 * 1024)
            raise EngineRefused("The disk is gone.")
        finally:
            self.closed.set()


async def test_half_an_archive_is_no_archive(world, checkpoints, caplog):
    streams = Pouring(world)
    async with working(streams):
        pieces = await worker.volume_archive(checkpoints.pk)
        await anext(pieces)
        streams.broken.set()
        with pytest.raises(ConnectionError):
            async for _ in pieces:
                pass
    assert "broke off: The disk is gone." in caplog.text


async def test_nothing_is_read_ahead_of_a_slow_reader(world, checkpoints):
    streams = Pouring(world)
    async with working(streams):
        pieces = await worker.volume_archive(checkpoints.pk)
        await anext(pieces)
        given = -1
        async with asyncio.timeout(60):
            while given != streams.given:
                given = streams.given
                await asyncio.sleep(0.1)
        # What fits into the sockets between, of a volume without end.
        assert given * 64 * 1024 < 8_000_000
        await pieces.aclose()


async def test_who_leaves_ends_the_reading(world, checkpoints):
    streams = Pouring(world)
    async with working(streams):
        pieces = await worker.volume_archive(checkpoints.pk)
        await anext(pieces)
        await pieces.aclose()
        async with asyncio.timeout(60):
            await streams.closed.wait()


async def test_a_download(world, alice, checkpoints):
    client = AsyncClient()
    await client.aforce_login(alice)
    async with working(FakeStreams(world)):
        answer = await client.get(f"/volumes/{checkpoints.pk}/download")
        assert answer.status_code == 200
        assert answer["Content-Type"] == "application/x-tar"
        assert answer["Content-Disposition"] == 'attachment; filename="checkpoints.tar"'
        packed = b"".join([piece async for piece in answer])
    assert names_in(packed) == {"./notes.txt": 5}


async def test_a_browser_that_leaves_ends_the_reading(world, alice, checkpoints):
    def signed_in():
        client = Client()
        client.force_login(alice)
        return client.cookies[conf.SESSION_COOKIE_NAME].value

    cookie = f"{conf.SESSION_COOKIE_NAME}={await sync_to_async(signed_in)()}"
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": f"/volumes/{checkpoints.pk}/download",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"cookie", cookie.encode())],
    }
    streams = Pouring(world)
    async with working(streams):
        communicator = ApplicationCommunicator(get_asgi_application(), scope)
        await communicator.send_input({"type": "http.request", "body": b""})
        listener = Listener(communicator)
        await listener.start()
        assert listener.status == 200
        await listener.leave()
        async with asyncio.timeout(60):
            await streams.closed.wait()
