"""Following: every line once and in order, whatever is restarted."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from replicas.engine.base import Wanted
from replicas.engine.fake import FakeEngine, FakeImage, FakeStreams, World
from replicas.logs import store
from replicas.logs.follow import LogFollower
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


async def texts(replica, count, seconds=5):
    """The container's lines once there are `count`, or what there is by then."""
    until = time.monotonic() + seconds
    while True:
        lines = await asyncio.to_thread(store.tail, replica.endpoint_id)
        if len(lines) >= count or time.monotonic() > until:
            return [line.text for line in lines]
        await asyncio.sleep(0.01)


async def finished(replica, seconds=5):
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
