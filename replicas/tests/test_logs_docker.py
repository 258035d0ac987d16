"""Following real containers: every line once, whatever dies."""

import asyncio
import contextlib
import os
import random
import re
import signal
import sys

import pytest

from replicas.engine import config
from replicas.logs import files
from replicas.logs.following import Following, Target
from replicas.logs.records import GAP, Attempt, Draft
from replicas.logs.state import StateFile
from replicas.logs.writer import Writer
from replicas.tests.engine_fixtures import tiny
from replicas.tests.engine_fixtures.bench import DockerBench, first, next_event

pytestmark = [
    pytest.mark.docker,
    pytest.mark.valkey,
    pytest.mark.usefixtures("docker_engine", "valkey"),
]
OWNER = Attempt(endpoint_id=1, replica_id=7, attempt=1)


@pytest.fixture(scope="module", autouse=True)
def tidy():
    yield
    tiny.forget()


@pytest.fixture(autouse=True)
def log_dir(settings, tmp_path):
    settings.ALIGHT_LOG_DIR = tmp_path / "logs"
    return settings.ALIGHT_LOG_DIR


@pytest.fixture
async def bench():
    made = await DockerBench.open()
    yield made
    await made.close()


def shell(bench, script):
    return bench.run(args=("sh", "-c", script))


async def follow(bench, container_id):
    """Until the container has ended and its log is on file."""
    writer = Writer()
    try:
        async with asyncio.timeout(60):
            await Following(Target(OWNER, container_id), bench.streams, writer).run()
    finally:
        await writer.close()
    assert StateFile(OWNER).read().finished_at


def stored():
    return [record for block in files.blocks(OWNER) for record in block]


def texts(letter=""):
    return [r.text for r in stored() if r.flags.startswith(letter)]


async def test_both_streams_and_the_level_of_lines(bench):
    container_id = await asyncio.to_thread(
        shell, bench, "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo ERROR three"
    )
    await follow(bench, container_id)
    assert [r.n for r in stored()] == [1, 2, 3]
    # A busy engine may read the two one after the other, however long the pauses.
    assert {(r.flags, r.text) for r in stored()} == {
        ("oi-", "one"),
        ("ei-", "two"),
        ("oe-", "ERROR three"),
    }
    assert texts("o") == ["one", "ERROR three"]


async def test_long_lines_come_as_one(bench):
    script = "for n in 1 2 3; do head -c 40000 /dev/zero | tr '\\0' $n; echo; done"
    container_id = await asyncio.to_thread(shell, bench, script)
    await follow(bench, container_id)
    assert texts() == ["1" * 40000, "2" * 40000, "3" * 40000]


async def test_a_last_line_without_a_newline_is_kept(bench):
    container_id = await asyncio.to_thread(shell, bench, "echo one; printf two")
    await follow(bench, container_id)
    assert texts() == ["one", "two"]


async def test_the_last_line_before_sigkill_is_kept(bench):
    script = "busybox seq 1 5000; echo last words; kill -9 $$"
    made = bench.engine.create(bench.wanted(args=("sh", "-c", script)))
    events = bench.streams.events(bench.labels)
    await asyncio.to_thread(bench.engine.start, made.id)
    await asyncio.gather(next_event(events, "die", made.id), follow(bench, made.id))
    await events.aclose()
    assert texts() == [str(n) for n in range(1, 5001)] + ["last words"]


async def test_progress_bars_are_one_line(bench):
    script = "for n in 10 50 100; do printf '\\r%3d%%' $n; sleep 0.05; done; echo"
    container_id = await asyncio.to_thread(shell, bench, script)
    await follow(bench, container_id)
    assert [(r.flags, r.text) for r in stored()] == [("oir", "100%")]


async def test_killed_followers_leave_no_gap_and_no_duplicate(bench, log_dir):
    """The container counts on two streams while its followers are killed."""
    lines = 20_000
    script = (
        f"busybox seq 1 {lines} | while read n; do echo out $n; echo err $n >&2; done"
    )
    container_id = await asyncio.to_thread(shell, bench, script)
    kills = 0
    chance = random.Random(20)
    while not StateFile(OWNER).read().finished_at:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "replicas.tests.logs_child", str(log_dir), "1", "7", "1"),
            container_id,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        with contextlib.suppress(TimeoutError):
            # Five of them die somewhere in the middle; the next one lives.
            patience = 60 if kills >= 5 else chance.uniform(0.8, 1.6)
            assert await asyncio.wait_for(child.wait(), patience) == 0
            continue
        child.send_signal(signal.SIGKILL)
        await child.wait()
        kills += 1
    assert kills >= 3
    assert [r.n for r in stored()] == list(range(1, 2 * lines + 1))
    assert texts("o") == [f"out {n}" for n in range(1, lines + 1)]
    assert texts("e") == [f"err {n}" for n in range(1, lines + 1)]


async def test_what_the_engine_threw_away_is_said(bench, monkeypatch):
    """Nobody reads while a container writes more than the engine keeps."""
    monkeypatch.setattr(config, "LOG_SIZE", "256k")
    # It writes on when it is asked to end: once its first line was read.
    trap = "trap 'busybox seq 1 20000; exit' TERM"
    script = f"{trap}; echo first; while sleep 0.1; do :; done"
    made = bench.engine.create(bench.wanted(args=("sh", "-c", script)))
    events = bench.streams.events(bench.labels)
    await asyncio.to_thread(bench.engine.start, made.id)
    first_line = await first(bench.streams.logs(made.id, since=0))
    file = files.LogFile(OWNER)
    file.append([Draft(first_line.at, "oi-", first_line.text)])
    file.close()
    await asyncio.to_thread(bench.engine.terminate, made.id)
    await next_event(events, "die", made.id)
    await events.aclose()
    await follow(bench, made.id)
    before, gap, *rest = stored()
    assert before.text == "first"
    assert gap.flags == GAP
    assert re.match(r"Lines written between \S+ and \S+ were lost", gap.text)
    assert gap.at == rest[0].at - 1
    begin = int(rest[0].text)
    assert begin > 1
    assert [r.text for r in rest] == [str(n) for n in range(begin, 20_001)]
    # Whoever follows it again finds nothing new, and loses nothing once more.
    await follow(bench, made.id)
    assert stored() == [before, gap, *rest]
