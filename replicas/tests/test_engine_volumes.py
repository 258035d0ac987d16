"""What only real Docker can show of volumes: helpers that come and go."""

from __future__ import annotations

import asyncio
import tarfile
from contextlib import suppress

import pytest
from docker.errors import NotFound

from replicas.engine import docker, helpers, names
from replicas.engine.base import EngineRefused, VolumeInUse
from replicas.engine.running import ensure_image
from replicas.engine.streams import DockerStreams
from replicas.tests.engine_fixtures import tiny
from replicas.tests.engine_fixtures.bench import DockerBench

pytestmark = pytest.mark.docker

BIG = 12_000_000


@pytest.fixture(scope="module", autouse=True)
def tidy():
    yield
    tiny.forget()


@pytest.fixture
async def bench():
    made = await DockerBench.open()
    yield made
    await made.close()


@pytest.fixture
async def volume(bench):
    """A volume with more in it than fits between the engine and a reader."""
    name = f"alight-{bench.installation}-1-files"
    text = f"echo kept > /data/note.txt; head -c {BIG} /dev/zero > /data/big.bin"
    made = bench.wanted(args=("sh", "-c", text), volumes=((name, "/data"),))
    made = await asyncio.to_thread(bench.engine.create, made)
    await asyncio.to_thread(bench.engine.start, made.id)
    await asyncio.to_thread(bench.client.wait, made.id)
    bench.engine.remove(made.id)
    return name


def held(bench) -> list[str]:
    """Ids of helpers that read volumes of this installation. They never run."""
    marks = helpers.labels(bench.installation, helpers.ARCHIVE)
    filters = {"label": [f"{key}={value}" for key, value in marks.items()]}
    found = bench.client.containers(all=True, filters=filters)
    assert {one["State"] for one in found} <= {"created", "removing"}
    return [one["Id"] for one in found]


async def test_the_archive_is_the_volume(bench, volume, tmp_path):
    path = tmp_path / "files.tar"
    with path.open("wb") as file:
        async for piece in bench.streams.volume_archive(volume):
            file.write(piece)
    with tarfile.open(path) as tar:
        assert tar.getmember("./big.bin").size == BIG
        assert tar.extractfile("./note.txt").read() == b"kept\n"
    assert held(bench) == []


async def test_a_reader_that_leaves_leaves_nothing(bench, volume):
    stream = bench.streams.volume_archive(volume)
    await anext(stream)
    assert len(held(bench)) == 1
    # Quick, too: the engine would answer nothing about this one.
    assert bench.engine.observe(bench.labels) == []
    await stream.aclose()
    assert held(bench) == []


async def test_a_reader_that_is_cancelled_leaves_nothing(bench, volume):
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in bench.streams.volume_archive(volume):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # The generator itself is closed by the loop, a moment later.
    while await asyncio.to_thread(held, bench):  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def test_two_read_side_by_side(bench, volume):
    one = bench.streams.volume_archive(volume)
    two = bench.streams.volume_archive(volume)
    await anext(one)
    await anext(two)
    assert len(held(bench)) == 2
    size = sum([len(piece) async for piece in one])
    assert size > BIG / 2
    assert len(held(bench)) == 1
    await two.aclose()


@pytest.fixture
def left(bench, volume) -> str:
    """The id of a helper that a killed process left behind."""
    ensure_image(bench.client)
    body = helpers.holds_volume(bench.installation, volume)
    name = helpers.name(bench.installation, helpers.ARCHIVE)
    return bench.client.create_container_from_config(body, name)["Id"]


async def test_the_next_reader_removes_what_a_killed_one_left(bench, volume, left):
    stream = bench.streams.volume_archive(volume)
    await anext(stream)
    assert left not in held(bench)
    await stream.aclose()


async def test_what_a_killed_reader_left_keeps_no_volume(
    bench, volume, left, monkeypatch
):
    # On a busy machine the engine takes longer for it than people are kept waiting.
    monkeypatch.setattr(docker, "_MOMENT", 60)
    await asyncio.to_thread(bench.engine.remove_volume, volume)
    assert held(bench) == []
    assert not bench.client.volumes(filters={"name": volume})["Volumes"]


async def test_a_volume_that_is_downloaded_is_in_use(bench, volume, monkeypatch):
    monkeypatch.setattr(docker, "_MOMENT", 1)
    stream = bench.streams.volume_archive(volume)
    await anext(stream)
    with pytest.raises(VolumeInUse, match="download"):
        await asyncio.to_thread(bench.engine.remove_volume, volume)
    await stream.aclose()
    # The engine may still be at the first removal of what held it.
    for held in bench.client.containers(all=True, filters={"volume": [volume]}):
        with suppress(NotFound):
            bench.client.wait(held["Id"], condition="removed")
    await asyncio.to_thread(bench.engine.remove_volume, volume)


async def test_volumes_of_others_stay_as_they_are(bench):
    name = f"{bench.installation}-theirs"
    bench.client.create_volume(name)
    try:
        with pytest.raises(EngineRefused, match="does not belong"):
            bench.engine.remove_volume(name)
        with pytest.raises(EngineRefused, match="does not belong"):
            await anext(bench.streams.volume_archive(name))
        with pytest.raises(EngineRefused, match="does not belong"):
            await bench.streams.volume_fill(name, bench.streams.volume_archive("x"))
        assert await bench.streams.volume_sizes([name]) == {}
        assert bench.client.inspect_volume(name)["Name"] == name
    finally:
        bench.client.remove_volume(name)


async def test_many_measure_at_the_same_time(bench, volume):
    """The engine refuses the second who asks; ours share, others are waited for."""
    other = DockerStreams(installation=bench.installation)
    asked = [
        streams.volume_sizes([volume])
        for streams in (bench.streams, other, bench.streams, other)
    ]
    found = await asyncio.gather(*asked)
    await other.close()
    assert all(sizes[volume] > BIG for sizes in found)


async def test_helpers_make_no_events(bench, volume):
    events = bench.streams.events(bench.labels)
    async for _ in bench.streams.volume_archive(volume):
        pass
    made = bench.engine.create(bench.wanted())
    async for event in events:
        assert names.ROLE not in event.labels
        if event.container_id == made.id:
            break
    await events.aclose()
