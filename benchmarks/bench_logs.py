"""Logs through the whole house, beside `docker logs -f`, in one run.

    .venv/bin/python benchmarks/bench_logs.py [--rate 30000] [--seconds 15]
        [--only join]

Makes its own tiny image, containers and Valkey. Prints one JSON object:

sustained   four containers write `rate` numbered lines a second together; each is
            followed into its file and the live stream. lost and doubled are counted in
            the files; behind is how long after the last line everything was on file.
capacity    the same containers write as fast as they can.
latency     one container writes a line every 30 ms: milliseconds from the engine's own
            timestamp to the message a page gets (LogReader), and to the line that
            `docker logs -f` prints, both following at the same time.
join        somebody opens the log of a container that has written 100 MB and goes on
            writing: milliseconds until a page has the newest 2,000 lines (LogReader,
            as the text that is sent), and until `docker logs -f --tail 2000` has.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

HOME = Path(tempfile.mkdtemp(prefix="alight-bench-"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "console.settings"
os.environ["ALIGHT_HOME"] = str(HOME)
os.environ["ALIGHT_INSTALLATION"] = uuid.uuid4().hex[:12]
(HOME / "run").mkdir(mode=0o700)

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402

from launcher.config import ROOT  # noqa: E402
from launcher.services import (  # noqa: E402
    answers_ping,
    valkey_options,
    valkey_server,
)
from replicas.engine import names  # noqa: E402
from replicas.engine.base import Wanted  # noqa: E402
from replicas.engine.docker import DockerEngine  # noqa: E402
from replicas.engine.streams import DockerStreams  # noqa: E402
from replicas.logs import files  # noqa: E402
from replicas.logs.following import Following, Target  # noqa: E402
from replicas.logs.reader import LogReader  # noqa: E402
from replicas.logs.records import Attempt  # noqa: E402
from replicas.logs.writer import Writer  # noqa: E402
from replicas.tests.engine_fixtures import tiny  # noqa: E402

CONTAINERS = 4
# What a page shows of a log when it is opened.
TAIL = 2000
PADDING = " x" * 30
# Ticks of a tenth of a second by the clock: one that came late is made up for at once.
PACED = (
    "now() {{ read up rest < /proc/uptime; t=${{up%.*}}${{up#*.}}; }};"
    " now; start=$t; i=0; while [ $i -lt {ticks} ]; do now;"
    " if [ $(( (t - start) / 10 )) -gt $i ]; then a=$((i * {each} + 1)); i=$((i + 1));"
    " busybox seq $a $((i * {each})) | busybox sed 's/$/{padding}/';"
    " else sleep 0.02; fi; done"
)
UNPACED = "busybox seq 1 {lines} | busybox sed 's/$/{padding}/'"


@contextmanager
def valkey():
    path, data = HOME / "run" / "valkey.sock", HOME / "valkey"
    data.mkdir()
    command = [valkey_server(ROOT / ".venv"), *valkey_options(path, data)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not answers_ping(path):
            time.sleep(0.02)
        yield
    finally:
        server.terminate()
        server.wait()


def create(engine: DockerEngine, image: str, script: str, number: int) -> str:
    labels = names.container_labels(engine.installation, "bench", number, 1)
    name = names.container_name(engine.installation, "bench", number, 1)
    args = ("sh", "-c", script)
    wanted = Wanted(name=name, image=image, labels=labels, port=1, node="", args=args)
    return engine.create(wanted).id


def cpu(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def check(attempt: Attempt) -> tuple[int, int, int]:
    """Lines on file, missing, and doubled or out of order."""
    count = wrong = last = 0
    for block in files.blocks(attempt):
        for record in block:
            number = int(record.text.split(" ", 1)[0])
            wrong += number != last + 1
            last = number
            count += 1
    return count, last - count, wrong


async def followed(engine, image, script: str, base: int) -> dict[str, object]:
    """Four containers with this script, followed from their start to their end."""
    owners = [Attempt(1, base + n, 1) for n in range(CONTAINERS)]
    ids = [create(engine, image, script, owner.replica_id) for owner in owners]
    streams, writer = DockerStreams(), Writer()
    began, used = time.monotonic(), cpu(resource.RUSAGE_SELF)
    for one in ids:
        await asyncio.to_thread(engine.start, one)
    runs = [
        asyncio.create_task(Following(Target(owner, one), streams, writer).run())
        for owner, one in zip(owners, ids, strict=True)
    ]
    await asyncio.gather(*runs)
    ended = time.time()
    seconds, used = time.monotonic() - began, cpu(resource.RUSAGE_SELF) - used
    await writer.close()
    await streams.close()
    newest = max(files.last_records(owner, 1)[0].at for owner in owners) / 1e9
    oldest = min(next(files.blocks(owner))[0].at for owner in owners) / 1e9
    checked = [check(owner) for owner in owners]
    lines = sum(count for count, _, _ in checked)
    return {
        "follower": "alight: file and live stream",
        "lines": lines,
        "lost": sum(lost for _, lost, _ in checked),
        "wrong": sum(wrong for _, _, wrong in checked),
        "written_per_second": round(lines / (newest - oldest)),
        "lines_per_second": round(lines / seconds),
        "behind_seconds": round(ended - newest, 3),
        "cpu_seconds": round(used, 2),
        "cpu_us_per_line": round(used / lines * 1e6, 2),
    }


def docker_logs(engine, image, script: str, base: int) -> dict[str, object]:
    """The same with one `docker logs -f` for each container, into a file."""
    ids = [create(engine, image, script, base + n) for n in range(CONTAINERS)]
    began, used = time.monotonic(), cpu(resource.RUSAGE_CHILDREN)
    for one in ids:
        engine.start(one)
    outputs = [(HOME / one).open("wb") for one in ids]
    program = shutil.which("docker") or "docker"
    running = [
        subprocess.Popen([program, "logs", "-f", "-t", one], stdout=output)
        for one, output in zip(ids, outputs, strict=True)
    ]
    for one in running:
        one.wait()
    seconds = time.monotonic() - began
    lines = sum((HOME / one).read_bytes().count(b"\n") for one in ids)
    used = cpu(resource.RUSAGE_CHILDREN) - used
    return {
        "follower": "docker logs -f",
        "lines": lines,
        "lines_per_second": round(lines / seconds),
        "cpu_seconds": round(used, 2),
        "cpu_us_per_line": round(used / lines * 1e6, 2),
    }


async def latency(engine, image, lines: int) -> dict[str, object]:
    script = f"sleep 1; for i in $(busybox seq 1 {lines}); do echo $i; sleep 0.03; done"
    owner = Attempt(2, 900, 1)
    container_id = create(engine, image, script, 900)
    streams, writer, reader = DockerStreams(), Writer(), LogReader(2)
    await asyncio.to_thread(engine.start, container_id)
    following = Following(Target(owner, container_id), streams, writer)
    run = asyncio.create_task(following.run())
    ours: list[float] = []
    theirs: list[float] = []

    async def page() -> None:
        await reader.backlog()
        async for message in reader.follow():
            now = time.time() * 1000
            ours.extend(now - line["t"] for line in message["lines"])
            if len(ours) >= lines:
                return

    async def client() -> None:
        program = await asyncio.create_subprocess_exec(
            *("docker", "logs", "-f", "-t", container_id),
            stdout=asyncio.subprocess.PIPE,
        )
        assert program.stdout is not None
        async for line in program.stdout:
            now = time.time() * 1000
            stamp = line.split(b" ", 1)[0].decode()
            at = datetime.fromisoformat(f"{stamp[:26]}+00:00")
            theirs.append(now - at.timestamp() * 1000)
        await program.wait()

    await asyncio.gather(page(), client(), run)
    await reader.close()
    await writer.close()
    await streams.close()
    return {"page": spread(ours), "docker logs -f": spread(theirs)}


# Lines of a kilobyte, as a server writes that logs JSON.
BIG = "yes {line} | head -n {lines}; while true; do echo more; sleep 0.01; done"


async def join(engine, image, times: int) -> dict[str, object]:
    lines, owner = 100_000, Attempt(3, 950, 1)
    script = BIG.format(lines=lines, line="x" * 1000)
    container_id = create(engine, image, script, 950)
    streams, writer = DockerStreams(), Writer()
    await asyncio.to_thread(engine.start, container_id)
    following = Following(Target(owner, container_id), streams, writer)
    run = asyncio.create_task(following.run())
    early = LogReader(3)
    await early.backlog()
    async for message in early.follow():
        if message["total"] >= lines:
            break
    await early.close()
    ours, theirs = [], []
    for _ in range(times):
        since = time.perf_counter()
        reader = LogReader(3)
        text = json.dumps(await reader.backlog())
        ours.append((time.perf_counter() - since) * 1000)
        assert text.count('"n":') == TAIL
        await reader.close()
        theirs.append(await asyncio.to_thread(docker_tail, container_id))
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    await writer.close()
    await streams.close()
    size = files.log_path(owner).stat().st_size
    return {"mb": size // 10**6, "page": spread(ours), "docker logs": spread(theirs)}


def docker_tail(container_id: str) -> float:
    """Milliseconds until it has printed the last of the newest lines."""
    since = time.perf_counter()
    program = subprocess.Popen(
        ["docker", "logs", "-f", "--tail", str(TAIL), container_id],
        stdout=subprocess.PIPE,
    )
    assert program.stdout is not None
    for _ in range(TAIL):
        program.stdout.readline()
    took = (time.perf_counter() - since) * 1000
    program.kill()
    program.wait()
    return took


def spread(milliseconds: list[float]) -> dict[str, object]:
    parts = statistics.quantiles(milliseconds, n=20)
    return {
        "lines": len(milliseconds),
        "median_ms": round(statistics.median(milliseconds), 1),
        "p95_ms": round(parts[-1], 1),
        "max_ms": round(max(milliseconds), 1),
    }


def measure(engine, image, asked: argparse.Namespace) -> dict[str, object]:
    rate, seconds = asked.rate, asked.seconds
    each = rate // CONTAINERS // 10
    paced = PACED.format(ticks=seconds * 10, each=each, padding=PADDING)
    unpaced = UNPACED.format(lines=rate * seconds // CONTAINERS, padding=PADDING)
    parts = {
        "sustained": lambda: [asyncio.run(followed(engine, image, paced, 100))],
        "capacity": lambda: [
            asyncio.run(followed(engine, image, unpaced, 200)),
            docker_logs(engine, image, unpaced, 300),
        ],
        "latency": lambda: asyncio.run(latency(engine, image, 300)),
        "join": lambda: asyncio.run(join(engine, image, 20)),
    }
    return {name: part() for name, part in parts.items() if name in asked.only}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=30_000)
    parser.add_argument("--seconds", type=int, default=15)
    every = ("sustained", "capacity", "latency", "join")
    parser.add_argument("--only", nargs="+", default=every)
    given = parser.parse_args()
    engine = DockerEngine()
    try:
        image = tiny.ensure(engine._client())
        with valkey():
            call_command("migrate", verbosity=0)
            results = measure(engine, image, given)
    finally:
        for seen in engine.observe({names.INSTALLATION: engine.installation}):
            engine.remove(seen.id)
        engine._client().remove_network(names.network_name(engine.installation))
        tiny.forget()
        shutil.rmtree(HOME, ignore_errors=True)
    print(json.dumps({"benchmark": "logs", "rate": given.rate, **results}, indent=1))


if __name__ == "__main__":
    main()
