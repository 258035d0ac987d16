"""Lines a second through DockerStreams, beside `docker logs -f`, in one run.

    .venv/bin/python benchmarks/bench_engine_logs.py [--containers 4] [--lines 50000]

Makes its own tiny image and containers, which write lines of 75 bytes as fast as they
can, follows them all from one event loop, then follows the same again with the Docker
client. Both read what was written already while it is still being written. Prints one
JSON object: lines, seconds, lines a second, and the follower's own CPU seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
os.environ.setdefault("ALIGHT_INSTALLATION", uuid.uuid4().hex[:12])

import django

django.setup()

from replicas.engine import names  # noqa: E402
from replicas.engine.base import Wanted  # noqa: E402
from replicas.engine.docker import DockerEngine  # noqa: E402
from replicas.engine.streams import DockerStreams  # noqa: E402
from replicas.tests.engine_fixtures import tiny  # noqa: E402

LINE = "x" * 74


async def ours(ids: list[str]) -> tuple[int, int]:
    """Lines read and lost, all containers followed by one loop."""
    streams = DockerStreams()

    async def follow(container_id: str) -> tuple[int, int]:
        lines, newest, wrong = 0, 0, 0
        async for batch in streams.log_batches(container_id, since=0):
            for chunk in batch:
                wrong += chunk.at < newest or chunk.text != LINE
                newest = chunk.at
            lines += len(batch)
        return lines, wrong

    counted = await asyncio.gather(*map(follow, ids))
    await streams.close()
    return sum(lines for lines, _ in counted), sum(wrong for _, wrong in counted)


def theirs(ids: list[str]) -> int:
    """Lines that one `docker logs -f -t` for each container writes."""
    program = shutil.which("docker")
    if program is None:
        return 0
    command = f"exec {program} logs -f -t $0 | wc -l"
    running = [
        subprocess.Popen(["sh", "-c", command, one], stdout=subprocess.PIPE)
        for one in ids
    ]
    return sum(int(one.communicate()[0]) for one in running)


def cpu(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def start(engine: DockerEngine, image: str, count: int, lines: int) -> list[str]:
    ids = []
    for number in range(count):
        labels = names.container_labels(engine.installation, "bench", number, 1)
        wanted = Wanted(
            name=names.container_name(engine.installation, "bench", number, 1),
            image=image,
            labels=labels,
            port=1,
            node="",
            args=("sh", "-c", f"yes {LINE} | head -n {lines}"),
        )
        ids.append(engine.create(wanted).id)
    for one in ids:
        engine.start(one)
    return ids


def measure(name: str, follow, who: int, expected: int) -> dict[str, object]:
    began, used = time.monotonic(), cpu(who)
    found = follow()
    lines, wrong = found if isinstance(found, tuple) else (found, 0)
    seconds = time.monotonic() - began
    return {
        "follower": name,
        "lines": lines,
        "lost": expected - lines,
        "wrong": wrong,
        "seconds": round(seconds, 3),
        "lines_per_second": round(lines / seconds),
        "cpu_seconds": round(cpu(who) - used, 3),
        "cpu_us_per_line": round((cpu(who) - used) / max(lines, 1) * 1e6, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--containers", type=int, default=4)
    parser.add_argument("--lines", type=int, default=50_000)
    given = parser.parse_args()
    engine = DockerEngine()
    image = tiny.ensure(engine._client())
    expected = given.containers * given.lines
    results = []
    try:
        ids = start(engine, image, given.containers, given.lines)
        results.append(
            measure(
                "DockerStreams, live",
                lambda: asyncio.run(ours(ids)),
                resource.RUSAGE_SELF,
                expected,
            )
        )
        results.append(
            measure(
                "DockerStreams, written before",
                lambda: asyncio.run(ours(ids)),
                resource.RUSAGE_SELF,
                expected,
            )
        )
        results.append(
            measure(
                "docker logs, written before",
                lambda: theirs(ids),
                resource.RUSAGE_CHILDREN,
                expected,
            )
        )
        for one in ids:
            engine.remove(one)
        ids = start(engine, image, given.containers, given.lines)
        results.append(
            measure(
                "docker logs -f, live",
                lambda: theirs(ids),
                resource.RUSAGE_CHILDREN,
                expected,
            )
        )
    finally:
        for seen in engine.observe({names.INSTALLATION: engine.installation}):
            engine.remove(seen.id)
        engine._client().remove_network(names.network_name(engine.installation))
        tiny.forget()
    shape = {"containers": given.containers, "lines_each": given.lines}
    print(json.dumps({"benchmark": "engine_logs", **shape, "results": results}))


if __name__ == "__main__":
    main()
