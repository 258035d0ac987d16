"""Following: every line once and in order, whatever is restarted."""

import asyncio
import errno
import time
from contextlib import aclosing, asynccontextmanager

import pytest

from endpoints import resealing, services, vault
from endpoints.tests.factories import respec, secret_var, spec
from replicas.engine.base import Wanted
from replicas.engine.fake import FakeEngine, FakeImage, FakeStreams, World
from replicas.logs import files, secrets, store
from replicas.logs.follow import LogFollower
from replicas.logs.reader import LogReader
from replicas.tests.factories import ReplicaFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.valkey,
    pytest.mark.usefixtures("valkey"),
]


@pytest.fixture(autouse=True)
def log_dir(settings, tmp_path):
    settings.ALIGHT_LOG_DIR = tmp_path / "logs"
    return settings.ALIGHT_LOG_DIR


@pytest.fixture
def world():
    world = World()
    world.images["app:1"] = FakeImage()
    return world


@pytest.fixture
def replica(world):
    """A replica whose container runs in the fake world."""
    engine = FakeEngine(world)
    made = engine.create(
        Wanted(name="c", image="app:1", labels={}, port=80, node="node-1")
    )
    engine.start(made.id)
    return ReplicaFactory(ready=True, container_id=made.id)


@asynccontextmanager
async def following(world):
    follower = LogFollower(FakeStreams(world))
    try:
        await follower.sweep()
        yield follower
    finally:
        await follower.close()


async def texts(replica, count, seconds=60):
    """The container's lines once there are `count`, or what there is by then."""
    until = time.monotonic() + seconds
    while True:
        lines = await asyncio.to_thread(store.tail, replica.endpoint_id)
        if len(lines) >= count or time.monotonic() > until:
            return [line.text for line in lines]
        await asyncio.sleep(0.01)


async def finished(replica, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if await asyncio.to_thread(store.is_finished, replica.pk, replica.attempt):
            return True
        await asyncio.sleep(0.01)
    return False


async def test_lines_are_kept_in_order(world, replica):
    async with following(world):
        for n in range(50):
            world.say(replica.container_id, f"line {n}", ["stdout", "stderr"][n % 2])
        assert await texts(replica, 50) == [f"line {n}" for n in range(50)]


async def test_a_new_follower_goes_on_without_gap_or_duplicate(world, replica):
    said = []
    for turn in range(4):
        async with following(world):
            for n in range(25):
                said.append(f"turn {turn} line {n}")
                world.say(replica.container_id, said[-1])
            # The first ones are read while the last ones may not be.
            await texts(replica, len(said) - 20)
    async with following(world):
        assert await texts(replica, len(said)) == said
        await asyncio.sleep(0.1)
        assert await texts(replica, len(said)) == said


async def test_the_end_is_known(world, replica):
    async with following(world):
        world.say(replica.container_id, "last words")
        assert not await asyncio.to_thread(store.is_finished, replica.pk, 1)
        world.crash(replica.container_id, code=137)
        assert await finished(replica)
    assert await texts(replica, 1) == ["last words"]


async def test_the_engine_may_go_away_and_come_back(world, replica):
    async with following(world):
        world.say(replica.container_id, "before")
        await texts(replica, 1)
        world.go_down()
        await asyncio.sleep(0.05)
        assert not await asyncio.to_thread(store.is_finished, replica.pk, 1)
        world.come_back()
        world.say(replica.container_id, "after")
        assert await texts(replica, 2) == ["before", "after"]


async def partials(reader):
    """What `follow` tells of unfinished lines, as they come."""
    async for message in reader.follow():
        for partial in message.get("partials", []):
            yield partial["text"]


async def test_a_bar_moves_while_somebody_looks(world, replica):
    reader = LogReader(replica.endpoint_id)
    await reader.backlog()
    async with aclosing(partials(reader)) as texts_seen, following(world) as follower:
        seen = asyncio.create_task(anext(texts_seen))
        # Looking is what makes the follower attach; the next sweep notices.
        until = time.monotonic() + 60
        while not follower._live and time.monotonic() < until:
            await follower.sweep()
            await asyncio.sleep(0.01)
        # What is drawn before it has attached, nobody sees.
        while not seen.done() and time.monotonic() < until:
            world.draw(replica.container_id, b"\r 10%")
            await asyncio.sleep(0.02)
        assert await asyncio.wait_for(seen, 60) == " 10%"
        world.draw(replica.container_id, b"\r 60%")
        assert await asyncio.wait_for(anext(texts_seen), 60) == " 60%"
        world.say(replica.container_id, "done", "stderr")
        assert await asyncio.wait_for(anext(texts_seen), 60) == ""
    await reader.close()
    # Only the line is kept.
    assert await texts(replica, 1) == ["done"]


async def test_secrets_are_masked(world, replica):
    endpoint = replica.endpoint
    old = spec(env=(secret_var("TOKEN", "hunter2hunter2"),))
    await asyncio.to_thread(respec, endpoint, old)
    async with following(world):
        world.say(replica.container_id, "token is hunter2hunter2.")
        assert await texts(replica, 1) == ["token is •••."]
    # The endpoint's secret changes; this container still has the old one.
    new = spec(env=(secret_var("TOKEN", "something else"),)).to_json()
    await asyncio.to_thread(services.change, endpoint, "alice", spec=new)
    async with following(world):
        world.say(replica.container_id, "still hunter2hunter2 or something else")
        assert (await texts(replica, 2))[-1] == "still ••• or •••"
    await asyncio.to_thread(
        store.system, endpoint.pk, replica.pk, 1, "Said something else"
    )
    assert (await texts(replica, 3))[-1] == "Said •••"


@pytest.fixture
def token(replica):
    """A secret of the account that the replica's endpoint chose."""
    endpoint = replica.endpoint
    respec(endpoint, spec(secrets=("TOKEN",)))
    replica.refresh_from_db()
    return vault.add_secret(endpoint.owner_id, "TOKEN", "hunter2hunter2")


async def test_both_values_of_a_changed_secret_are_masked(world, replica, token):
    async with following(world) as follower:
        world.say(replica.container_id, "given hunter2hunter2")
        assert await texts(replica, 1) == ["given •••"]
        await asyncio.to_thread(vault.change_secret, token, "something else")
        await follower.sweep()
        world.say(replica.container_id, "hunter2hunter2, told something else")
        assert (await texts(replica, 2))[-1] == "•••, told •••"


async def test_what_was_given_is_known_however_late_it_is_followed(
    world, replica, token
):
    """Changed, taken off and deleted before anybody followed the container."""
    await asyncio.to_thread(secrets.remember, replica)
    await asyncio.to_thread(vault.change_secret, token, "something else")
    new = spec().to_json()
    await asyncio.to_thread(services.change, replica.endpoint, "alice", spec=new)
    await asyncio.to_thread(token.delete)
    world.say(replica.container_id, "given hunter2hunter2")
    async with following(world):
        assert await texts(replica, 1) == ["given •••"]
    # What we say ourselves of that container, too.
    await asyncio.to_thread(
        store.system, replica.endpoint_id, replica.pk, 1, "Said hunter2hunter2"
    )
    assert (await texts(replica, 2))[-1] == "Said •••"


async def test_masks_outlive_a_new_key(world, replica, token, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    await asyncio.to_thread(secrets.remember, replica)
    await asyncio.to_thread(vault.change_secret, token, "something else")
    settings.SECRET_KEY = "a new key"
    tally = await asyncio.to_thread(resealing.reseal_all)
    assert (tally.renewed, tally.lost) == (2, [])
    settings.SECRET_KEY_FALLBACKS = []
    world.say(replica.container_id, "hunter2hunter2")
    async with following(world):
        assert await texts(replica, 1) == ["•••"]


def test_a_full_disk_keeps_no_container_from_starting(
    replica, token, monkeypatch, caplog
):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("replicas.logs.state.write_all", full)
    secrets.remember(replica)
    assert "were not noted" in caplog.text


async def test_two_workers_do_not_write_twice(world, replica):
    async with following(world), following(world) as second:
        for n in range(50):
            world.say(replica.container_id, f"line {n}")
        assert await texts(replica, 50) == [f"line {n}" for n in range(50)]
        await second.sweep()
        await asyncio.sleep(0.05)
        assert len(await texts(replica, 50)) == 50


async def test_the_second_worker_takes_over(world, replica):
    first = LogFollower(FakeStreams(world))
    await first.sweep()
    second = LogFollower(FakeStreams(world))
    await second.sweep()
    world.say(replica.container_id, "one")
    await texts(replica, 1)
    await first.close()
    world.say(replica.container_id, "two")
    until = time.monotonic() + 60
    while len(await texts(replica, 2, 0.05)) < 2 and time.monotonic() < until:
        await second.sweep()
    await second.close()
    assert await texts(replica, 2) == ["one", "two"]


async def test_a_full_disk_delays_and_loses_nothing(world, replica, monkeypatch):
    full = True
    real = files.write_all

    def write(fd, data):
        if full:
            real(fd, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        real(fd, data)

    monkeypatch.setattr(files, "write_all", write)
    async with following(world):
        for n in range(20):
            world.say(replica.container_id, f"line {n}")
        await asyncio.sleep(0.2)
        assert await texts(replica, 1, 0) == []
        full = False
        assert await texts(replica, 20) == [f"line {n}" for n in range(20)]


async def test_a_container_that_is_gone_is_let_go(world, replica):
    async with following(world) as follower:
        world.say(replica.container_id, "one")
        await texts(replica, 1)
        await asyncio.to_thread(replica.delete)
        world.vanish(replica.container_id)
        until = time.monotonic() + 60
        while follower._tasks and time.monotonic() < until:
            await follower.sweep()
            await asyncio.sleep(0.02)
        assert not follower._tasks
