"""What measuring costs with 1,000 endpoints that all have traffic.

    .venv/bin/python benchmarks/bench_metrics.py [--endpoints 1000] [--times 15]

A real HAProxy leads to one backend for all of them, each endpoint is asked a few times,
and the meter's parts are measured one by one. Milliseconds of this process's processor
time, medians, where nothing else is said:

poll      answers(), traffic(), waiting() and callers(): every 10 s. wall: until they
          are there; haproxy: HAProxy's processor time, in which it serves nobody
sample    traffic() and waiting(): every 2 s
fleet     endpoints, replicas and GPUs read: every 10 s
finish    points made of two looks, written, and shown to Prometheus: every 10 s
roll_up   a minute of all endpoints made of its spans of 10 s
series    the last hour, day and week of one endpoint, read
scrape    /metrics rendered

Prints one JSON object. Good: poll < 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.many import cost, fill, house  # isort: skip - sets Django up

from endpoints.ingress import files
from endpoints.ingress.base import Ingress, Upstream
from endpoints.models import Endpoint
from endpoints.tests.ingress_parts import Running, public, setup_in
from replicas.metrics import fleet, rollup, snapshot, store
from replicas.metrics.collect import Collector, Counts, Samples
from replicas.metrics.exposition import render
from replicas.models import Sample

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REQUESTS = 5


class App(asyncio.Protocol):
    """Answers every request at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(ANSWER * data.count(b"\r\n\r\n"))


async def ask_all(haproxy: Running, names: list[str]) -> None:
    """A few requests to each endpoint, over a handful of connections."""
    queue = list(names)

    async def client() -> None:
        while queue:
            host = queue.pop()
            to = haproxy.setup.port
            reader, writer = await asyncio.open_connection("127.0.0.1", to)
            request = f"GET / HTTP/1.1\r\nHost: {host}.localhost\r\n\r\n".encode()
            for _ in range(REQUESTS):
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200"), head
                await reader.readexactly(2)
            writer.close()

    await asyncio.gather(*(client() for _ in range(20)))


async def serve(haproxy: Running, names: list[str]) -> None:
    loop = asyncio.get_running_loop()
    app = await loop.create_server(App, "127.0.0.1", 0)
    port = app.sockets[0].getsockname()[1]
    haproxy.ingress.sync(
        [public(name, Upstream(f"{name}.1", "127.0.0.1", port)) for name in names]
    )
    await ask_all(haproxy, names)


def waited(work: Callable[[], object], times: int) -> float:
    """Milliseconds until it is done, the median of several."""
    work()
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        spent.append(1000 * (time.perf_counter() - begun))
    return round(median(spent), 1)


def processor(pid: int) -> float:
    """Milliseconds of processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def look(ingress: Ingress) -> Counts:
    return Counts(ingress.answers(), ingress.traffic(), ingress.waiting())


def polls(haproxy: Running, times: int) -> dict[str, object]:
    ingress = haproxy.ingress
    parts = {
        name: cost(getattr(ingress, name), times)
        for name in ("answers", "traffic", "waiting", "callers")
    }

    def poll() -> None:
        look(ingress)
        ingress.callers()

    def sample() -> None:
        ingress.traffic()
        ingress.waiting()

    wall = waited(poll, times)
    pid = haproxy._process.pid
    before = processor(pid)
    many = max(times, 40)  # the kernel counts in hundredths of a second
    for _ in range(many):
        poll()
    spent = (processor(pid) - before) / many
    return {
        "poll_ms": {
            "wall": wall,
            "haproxy": round(spent, 1),
            "own": cost(poll, times),
            "of_it": parts,
        },
        "sample_ms": cost(sample, times),
    }


def finish(haproxy: Running, times: int) -> dict[str, object]:
    """The meter's own work, ten seconds after ten seconds of a made-up clock."""
    now = datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp()
    collector = Collector()
    names = list(Endpoint.objects.values_list("name", flat=True))

    def one() -> float:
        nonlocal now, collector
        asyncio.run(ask_all(haproxy, names))
        counts, seen = look(haproxy.ingress), fleet.look()
        samples = Samples()
        samples.add(10.0, counts.traffic, counts.waiting, {})
        now += 10
        begun = time.process_time()
        found = collector.collect(now, counts, seen, samples, {}, {}, {})
        at = datetime.fromtimestamp(now, UTC)
        store.write(10, at - timedelta(seconds=10), found.points)
        snapshot.write(found.seen)
        collector = found.next
        return 1000 * (time.process_time() - begun)

    one()
    spent = [one() for _ in range(7)]
    at = datetime.fromtimestamp(now, UTC)
    assert Sample.objects.count() == 7 * len(names)
    begun = time.process_time()
    rollup.roll_up(at)
    rolled = 1000 * (time.process_time() - begun)
    latest = snapshot.read(now)
    assert latest is not None
    return {
        "fleet_ms": cost(fleet.look, times),
        "finish_ms": round(median(spent), 1),
        "roll_up_ms": round(rolled, 1),
        "scrape_ms": cost(lambda: render(latest), 3),
        "scrape_kb": round(len(render(latest)) / 1000),
    }


def reads(times: int) -> dict[str, object]:
    """One endpoint with all that is kept of it."""
    mine = Endpoint.objects.values_list("pk", flat=True)[0]
    sample = Sample.objects.filter(step=10).first()
    assert sample is not None
    now = datetime(2026, 4, 4, 12, tzinfo=UTC)
    rows = [
        Sample(
            endpoint_id=mine,
            step=step,
            at=now - timedelta(seconds=step * number),
            data=sample.data,
        )
        for step, count in ((10, 360), (60, 1440), (900, 2880))
        for number in range(1, count + 1)
    ]
    Sample.objects.bulk_create(rows, batch_size=500)
    spans = {"hour": 3600, "day": 86400, "week": 7 * 86400}
    return {
        "series_ms": {
            name: cost(lambda s=seconds: store.read(mine, s, now), times)
            for name, seconds in spans.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, default=1000)
    parser.add_argument("--times", type=int, default=15)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="alight-b-"))
    haproxy = Running(setup_in(folder, slots=asked.endpoints + 50, connections=500))
    files.write_all(haproxy.setup, [])
    haproxy.start()
    try:
        with house():
            fill(asked.endpoints, 1)
            names = list(Endpoint.objects.values_list("name", flat=True))
            asyncio.run(measure(haproxy, names, asked))
    finally:
        haproxy.kill()
        shutil.rmtree(folder)


async def measure(
    haproxy: Running, names: list[str], asked: argparse.Namespace
) -> None:
    await serve(haproxy, names)
    found = {"options": vars(asked)}
    found |= await asyncio.to_thread(polls, haproxy, asked.times)
    found |= await asyncio.to_thread(finish, haproxy, asked.times)
    found |= await asyncio.to_thread(reads, asked.times)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
