"""The worker's door, asked as web asks: by the client, over the socket."""

import asyncio
import logging
import stat
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from asgiref.sync import sync_to_async
from django.db import DatabaseError

from endpoints import worker
from endpoints.models import RegistryCredential
from endpoints.sealing import seal
from replicas import pulls, tasks
from replicas.engine.base import RegistryRefused
from replicas.engine.fake import FakeImage, FakeStreams, World
from replicas.runner import door
from replicas.runner.door import Door
from replicas.runner.volumes import VolumeKeeper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def path(settings, tmp_path):
    settings.ALIGHT_WORKER_SOCKET = str(tmp_path / "worker.sock")
    return Path(settings.ALIGHT_WORKER_SOCKET)


@pytest.fixture
def world():
    return World()


def door_to(world):
    streams = FakeStreams(world)
    return Door(streams, VolumeKeeper(streams))


@asynccontextmanager
async def opened(streams):
    made = Door(streams, VolumeKeeper(streams))
    await made.sweep()
    try:
        yield made
    finally:
        await made.close()


async def facts(owner_id=1, image="lab/app:1", registry=""):
    return await sync_to_async(worker.image_facts)(owner_id, image, registry)


async def signs_in(registry="registry.lab.example", username="ci", password="right"):
    await sync_to_async(worker.check_sign_in)(registry, username, password)


# --- Nobody there ------------------------------------------------------------
def test_nobody_listens(path):
    with pytest.raises(worker.WorkerAway) as away:
        worker.image_facts(1, "lab/app:1")
    assert str(away.value) == (
        "The worker does not answer, so the image could not be checked. "
        "See “make status”."
    )


def test_a_killed_worker_leaves_a_socket_that_nobody_serves(path):
    door._listen(path).close()
    with pytest.raises(worker.WorkerAway, match="the sign-in could not be checked"):
        worker.check_sign_in("registry.lab.example", "ci", "right")


async def test_a_worker_that_hangs_is_away(path, world, monkeypatch):
    monkeypatch.setattr(worker, "_ANSWER", 0.2)
    let_go = asyncio.Event()

    class Hanging(FakeStreams):
        async def image_facts(self, image, *, sign_in=None):
            await let_go.wait()

    async with opened(Hanging(world)):
        with pytest.raises(worker.WorkerAway):
            await facts()


# --- Answers -----------------------------------------------------------------
async def test_the_facts_of_an_image(path, world):
    world.publish("lab/app:1", FakeImage(ports=(7860,), volumes=("/data",), size=5000))
    async with opened(FakeStreams(world)):
        found = await facts()
    assert not found.present
    assert (found.ports, found.volumes, found.size) == ((7860,), ("/data",), 5000)


async def test_a_refusal_keeps_its_word_and_sentence(path, world):
    async with opened(FakeStreams(world)):
        with pytest.raises(worker.WorkerRefused) as refused:
            await facts(image="lab/none:1")
    assert refused.value.reason == "ImageNotFound"
    assert "none:1" in str(refused.value)


async def test_what_anothers_sign_in_brought_is_not_told(path, world, alice, charlie):
    image = "lab.example/app:1"
    world.publish(image, FakeImage(ports=(7860,), private=True))
    world.images[image] = FakeImage(ports=(7860,), private=True)
    made = world.images[image].info(image)
    note = sync_to_async(pulls.got)
    async with opened(FakeStreams(world)):
        # A node's image that no account brought is everybody's to see.
        assert (await facts(charlie.pk, image)).present
        await note(alice.pk, image, made.id, private=True)
        assert (await facts(alice.pk, image)).present
        with pytest.raises(worker.WorkerRefused) as refused:
            await facts(charlie.pk, image)
    assert refused.value.reason == "RegistryRefused"


class Listening(FakeStreams):
    """Notes what it was asked to sign in with."""

    heard = None

    async def image_facts(self, image, *, sign_in=None):
        self.heard = sign_in
        return await super().image_facts(image)

    async def check_sign_in(self, sign_in):
        self.heard = sign_in
        if sign_in.password != "right":
            raise RegistryRefused("registry.lab.example refused the sign-in.")


async def test_it_asks_with_the_owners_sign_in(path, world, alice, charlie):
    make = sync_to_async(RegistryCredential.objects.create)
    for owner, plain in ((alice, "hers"), (charlie, "his")):
        await make(
            owner=owner,
            key="lab",
            registry="registry.lab.example",
            username=owner.username,
            sealed=seal(plain),
        )
    world.publish("registry.lab.example/app:1", FakeImage())
    streams = Listening(world)
    async with opened(streams):
        await facts(alice.pk, "registry.lab.example/app:1", "lab")
        assert streams.heard.username == "alice"
        assert streams.heard.password == "hers"
        with pytest.raises(worker.WorkerRefused, match="not there any more") as lost:
            await facts(alice.pk, "registry.lab.example/app:1", "other")
    assert lost.value.reason == "SignInLost"


async def test_a_sign_in_is_checked_and_never_logged(path, world, caplog):
    caplog.set_level(logging.DEBUG)
    async with opened(Listening(world)):
        await signs_in()
        with pytest.raises(worker.WorkerRefused) as refused:
            await signs_in(password="Tr0ub4dor")
    assert refused.value.reason == "RegistryRefused"
    assert "Tr0ub4dor" not in caplog.text


async def test_a_registry_that_says_nothing_is_named(path, world, monkeypatch):
    monkeypatch.setattr(door, "_PATIENCE", 0.05)

    class Silent(FakeStreams):
        async def check_sign_in(self, sign_in):
            await asyncio.Event().wait()

        async def image_facts(self, image, *, sign_in=None):
            await asyncio.Event().wait()

    async with opened(Silent(world)):
        with pytest.raises(worker.WorkerRefused, match=r"^registry\.lab\.example has"):
            await signs_in()
        with pytest.raises(worker.WorkerRefused, match=r"^Docker Hub has") as slow:
            await facts()
    assert slow.value.reason == "RegistryUnreachable"


async def test_a_fault_of_its_own_is_told_without_what_was_asked(path, world, caplog):
    class Broken(FakeStreams):
        async def check_sign_in(self, sign_in):
            raise RuntimeError("a bug")

    async with opened(Broken(world)):
        with pytest.raises(worker.WorkerRefused, match="Its log says which") as failed:
            await signs_in(password="Tr0ub4dor")
    assert failed.value.reason == "WorkerFailed"
    assert "a bug" in caplog.text
    assert "Tr0ub4dor" not in caplog.text


async def test_who_leaves_ends_the_work(path, world):
    begun, ended = asyncio.Event(), asyncio.Event()

    class Slow(FakeStreams):
        async def image_facts(self, image, *, sign_in=None):
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

    async with opened(Slow(world)):
        _, writer = await asyncio.open_unix_connection(path)
        body = b'{"owner_id": 1, "image": "lab/app:1", "registry": ""}'
        head = f"POST /image-facts HTTP/1.1\r\nHost: w\r\nContent-Length: {len(body)}"
        writer.write(head.encode() + b"\r\n\r\n" + body)
        await begun.wait()
        writer.close()
        async with asyncio.timeout(60):
            await ended.wait()


# --- The socket --------------------------------------------------------------
async def test_the_socket_is_for_its_owner_only(path, world):
    async with opened(FakeStreams(world)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [file.name for file in path.parent.iterdir()] == ["worker.sock"]
    assert not path.exists()


async def test_two_workers(path, world):
    world.publish("lab/app:1", FakeImage(size=1))
    other = World()
    other.publish("lab/app:1", FakeImage(size=2))
    first, second = door_to(world), door_to(other)
    await first.sweep()
    await second.sweep()
    assert (await facts()).size == 2
    await first.sweep()  # somebody listens: it leaves the name alone
    assert (await facts()).size == 2
    await second.close()
    await first.sweep()
    assert (await facts()).size == 1
    await first.close()
    assert not path.exists()


async def test_the_first_of_two_ends_and_takes_nothing_along(path, world):
    world.publish("lab/app:1", FakeImage())
    first, second = door_to(World()), door_to(world)
    await first.sweep()
    await second.sweep()
    await first.close()
    assert (await facts()).size
    await second.close()


async def test_the_place_of_a_killed_worker_is_taken(path, world):
    world.publish("lab/app:1", FakeImage())
    first = door_to(world)
    await first.sweep()
    door._listen(path).close()
    await first.sweep()
    assert (await facts()).size
    await first.close()


async def test_a_folder_that_is_not_there_yet(path, world, settings):
    later = path.parent / "later" / "worker.sock"
    settings.ALIGHT_WORKER_SOCKET = str(later)
    made = door_to(world)
    with pytest.raises(OSError, match="No such file"):
        await made.sweep()
    later.parent.mkdir()
    await made.sweep()
    assert later.exists()
    await made.close()


# --- Whether it works ---------------------------------------------------------
async def health(path):
    connector = aiohttp.UnixConnector(path=str(path))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get("http://worker/healthz") as answer,
    ):
        return answer.status, await answer.json()


async def test_it_is_well_while_it_makes_its_rounds(path, world, settings, monkeypatch):
    ago = [6.0 * settings.ALIGHT_SWEEP_SECONDS]
    monkeypatch.setattr(door.tasks, "swept_ago", lambda: ago[0])
    async with opened(FakeStreams(world)):
        assert await health(path) == (200, {"swept": ago[0]})
        ago[0] += 1
        assert await health(path) == (503, {"swept": ago[0]})


def test_a_round_counts_once_it_came_to_its_end(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(tasks.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(tasks, "_rhythm", tasks._Rhythm())
    clock[0] += 50

    def broken(call):
        raise DatabaseError

    with monkeypatch.context() as away:
        away.setattr(tasks.loop, "sweep", broken)
        with pytest.raises(DatabaseError):
            tasks.sweep()
    assert tasks.swept_ago() == 50
    monkeypatch.setattr(tasks.loop, "sweep", lambda call: None)
    tasks.sweep()
    assert tasks.swept_ago() == 0
