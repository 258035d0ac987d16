"""Logs through the whole house, beside `docker logs -f`, in one run.

    .venv/bin/python benchmarks/bench_logs.py [--rate 33000] [--seconds 15]
        [--sustain 50] [--only sustained]

Makes its own tiny image, containers and Valkey. Prints one JSON object:

sustained   four containers write `rate` numbered lines a second together, for `sustain`
            seconds, once followed into files and live stream by one loop as in the
            worker, once by one `docker logs -f` for each into a file. behind: ten times
            a second, how old the newest line is that is on file (or in the stream);
            a tenth of a second of it is the containers' own pace. lost and doubled are
            counted in the files.
capacity    the same containers write as many lines as `rate` is in `seconds`, as fast
            as they can. followed_per_second counts to the last line on file.
latency     one container writes a line every 30 ms: milliseconds from the engine's own
            timestamp to the message a page gets (LogReader), and to the line that
            `docker logs -f` prints, both following at the same time.
beside      the same while the same loop follows four that write `rate` lines a second.
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
import threading
import time
import uuid
from collections.abc import Callable
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

from endpoints.valkey import valkey as valkey_client  # noqa: E402
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
from replicas.logs import feed, files  # noqa: E402
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


class Watch(threading.Thread):
    """How far a follower is, ten times a second. What that costs is in `cost` (s).

    far: of every container, number and time (ns) of the newest line it has, or None.
    told: time of the newest line that pages were told of.
    """

    def __init__(
        self,
        lines: int,
        far: Callable[[], list[tuple[int, int] | None]],
        told: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self._lines, self._far, self._told = lines, far, told
        self._over = threading.Event()
        self.done_at = self.cost = 0.0
        self.behind: list[float] = []
        self.news_behind: list[float] = []
        self.start()

    def run(self) -> None:
        while not self.done_at and not self._over.wait(0.1):
            self._look()
        self.cost = time.thread_time()

    def _look(self) -> None:
        far = self._far()
        now = time.time()
        known = [one for one in far if one is not None]
        writing = [at for number, at in known if number < self._lines]
        if writing:
            self.behind.append((now - min(writing) / 1e9) * 1000)
        elif len(known) == len(far):
            self.done_at = now
        if writing and self._told is not None and (at := self._told()):
            self.news_behind.append((time.time() - at / 1e9) * 1000)

    def close(self) -> None:
        self._over.set()
        self.join()
        if not self.done_at:
            self._look()


def newest_told(endpoint_id: int) -> int:
    """Time (ns) of the newest line in the live stream."""
    entries = valkey_client().xrevrange(feed.key(endpoint_id), count=1)
    return (
        int(entries[0][1]["d"][:-1].rpartition("\n")[2].split(" ")[1]) if entries else 0
    )


def on_file(owners: list[Attempt]) -> list[tuple[int, int] | None]:
    newest = [files.last_records(owner, 1) for owner in owners]
    return [(one[0].n, one[0].at) if one else None for one in newest]


async def followed(
    engine, image, script: str, each: int, base: int
) -> dict[str, object]:
    """Four containers with this script, followed from their start to their end."""
    owners = [Attempt(base, base + n, 1) for n in range(CONTAINERS)]
    ids = [create(engine, image, script, owner.replica_id) for owner in owners]
    streams, writer = DockerStreams(), Writer()
    used = cpu(resource.RUSAGE_SELF)
    for one in ids:
        await asyncio.to_thread(engine.start, one)
    watch = Watch(each, lambda: on_file(owners), lambda: newest_told(base))
    runs = [
        asyncio.create_task(Following(Target(owner, one), streams, writer).run())
        for owner, one in zip(owners, ids, strict=True)
    ]
    await asyncio.gather(*runs)
    ended, used = time.time(), cpu(resource.RUSAGE_SELF) - used
    await asyncio.to_thread(watch.close)
    used -= watch.cost
    await writer.close()
    await streams.close()
    newest = max(files.last_records(owner, 1)[0].at for owner in owners) / 1e9
    oldest = min(next(files.blocks(owner))[0].at for owner in owners) / 1e9
    checked = [check(owner) for owner in owners]
    lines = sum(count for count, _, _ in checked)
    return {
        "follower": "alight: file and live stream",
        "lines": lines,
        "lost": CONTAINERS * each - lines,
        "wrong": sum(wrong for _, _, wrong in checked),
        "written_per_second": round(lines / (newest - oldest)),
        "followed_per_second": round(lines / (watch.done_at - oldest)),
        "behind": spread(watch.behind),
        "news_behind": spread(watch.news_behind),
        "sure_of_the_end_seconds": round(ended - watch.done_at, 2),
        "cpu_us_per_line": round(used / lines * 1e6, 2),
        "cores": round(used / (watch.done_at - oldest), 2),
        "peak_memory_mb": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        ),
    }


def printed(path: Path) -> tuple[int, int] | None:
    """Number and time of the newest line that `docker logs -t` has printed."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 4096))
        whole = file.read().rpartition(b"\n")[0]
    words = whole.rpartition(b"\n")[2].decode().split(" ")
    return (int(words[1]), stamp(words[0])) if len(words) > 1 else None


def stamp(text: str) -> int:
    """Nanoseconds since the epoch of 2026-01-31T12:00:00.123456789Z."""
    seconds, _, part = text.rstrip("Z").partition(".")
    at = datetime.fromisoformat(f"{seconds}+00:00")
    return int(at.timestamp()) * 10**9 + int(part.ljust(9, "0"))


def docker_logs(engine, image, script: str, each: int, base: int) -> dict[str, object]:
    """The same with one `docker logs -f` for each container, into a file."""
    ids = [create(engine, image, script, base + n) for n in range(CONTAINERS)]
    used = cpu(resource.RUSAGE_CHILDREN)
    for one in ids:
        engine.start(one)
    paths = [HOME / one for one in ids]
    outputs = [path.open("wb") for path in paths]
    watch = Watch(each, lambda: list(map(printed, paths)))
    program = shutil.which("docker") or "docker"
    running = [
        subprocess.Popen([program, "logs", "-f", "-t", one], stdout=output)
        for one, output in zip(ids, outputs, strict=True)
    ]
    for one in running:
        one.wait()
    ended = time.time()
    watch.close()
    whole = [path.read_bytes() for path in paths]
    lines = sum(data.count(b"\n") for data in whole)
    oldest = min(stamp(data[:30].decode()) for data in whole) / 1e9
    newest = max(at for _, at in filter(None, map(printed, paths))) / 1e9
    used = cpu(resource.RUSAGE_CHILDREN) - used
    return {
        "follower": "docker logs -f",
        "lines": lines,
        "lost": CONTAINERS * each - lines,
        "written_per_second": round(lines / (newest - oldest)),
        "followed_per_second": round(lines / ((watch.done_at or ended) - oldest)),
        "behind": spread(watch.behind),
        "cpu_us_per_line": round(used / lines * 1e6, 2),
    }


def beside(ours: dict[str, object], theirs: dict[str, object]) -> list[object]:
    """Both, and ours in parts of theirs."""
    whole = ("followed_per_second", "cpu_us_per_line")
    ratios = {name: round(ours[name] / theirs[name], 2) for name in whole}
    for part in ("median_ms", "p95_ms"):
        ratios[f"behind_{part}"] = round(
            ours["behind"][part] / theirs["behind"][part], 2
        )
    return [ours, theirs, {"alight / docker logs -f": ratios}]


async def latency(
    engine, image, lines: int, base: int, flood: str = ""
) -> dict[str, object]:
    """Of a quiet container, beside four that run the script `flood`, where given."""
    script = f"sleep 1; for i in $(busybox seq 1 {lines}); do echo $i; sleep 0.03; done"
    scripts = [script, *([flood] * CONTAINERS if flood else [])]
    owners = [Attempt(base + n, base + n, 1) for n in range(len(scripts))]
    ids = [
        create(engine, image, script, owner.replica_id)
        for owner, script in zip(owners, scripts, strict=True)
    ]
    container_id = ids[0]
    streams, writer, reader = DockerStreams(), Writer(), LogReader(base)
    for one in reversed(ids):
        await asyncio.to_thread(engine.start, one)
    runs = [
        asyncio.create_task(Following(Target(owner, one), streams, writer).run())
        for owner, one in zip(owners, ids, strict=True)
    ]
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

    await asyncio.gather(page(), client(), runs[0])
    for run in runs:
        run.cancel()
    await asyncio.gather(*runs, return_exceptions=True)
    await reader.close()
    await writer.close()
    await streams.close()
    for one in ids:
        await asyncio.to_thread(engine.remove, one)
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
    if len(milliseconds) < 2:
        milliseconds = [*milliseconds, 0.1, 0.1]  # over before it was looked at
    parts = statistics.quantiles(milliseconds, n=20)
    return {
        "samples": len(milliseconds),
        "median_ms": round(statistics.median(milliseconds), 1),
        "p95_ms": round(parts[-1], 1),
        "max_ms": round(max(milliseconds), 1),
    }


def measure(engine, image, asked: argparse.Namespace) -> dict[str, object]:
    each = asked.rate // CONTAINERS // 10
    paced = PACED.format(ticks=asked.sustain * 10, each=each, padding=PADDING)
    unpaced = UNPACED.format(lines=each * 10 * asked.seconds, padding=PADDING)

    flood = PACED.format(ticks=200, each=each, padding=PADDING)

    def both(script: str, lines: int, base: int) -> list[object]:
        ours = asyncio.run(followed(engine, image, script, lines, base))
        return beside(ours, docker_logs(engine, image, script, lines, base + 50))

    parts = {
        "sustained": lambda: both(paced, each * 10 * asked.sustain, 100),
        "capacity": lambda: both(unpaced, each * 10 * asked.seconds, 200),
        "latency": lambda: asyncio.run(latency(engine, image, 300, 900)),
        "beside": lambda: asyncio.run(latency(engine, image, 300, 920, flood)),
        "join": lambda: asyncio.run(join(engine, image, 20)),
    }
    return {name: part() for name, part in parts.items() if name in asked.only}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=33_000)
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--sustain", type=int, default=50)
    every = ("sustained", "capacity", "latency", "beside", "join")
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
