"""A million numbered lines from 20 containers; worker and web are killed five times.

    .venv/bin/python benchmarks/bench_log_restarts.py [--lines 1000000]

A whole console of its own and the engine that is there. `kill -9` strikes worker and
web together, five times while the containers write. Prints one JSON object: what is
missing, doubled or misplaced in the logs that were kept, counted line by line; lines a
second from the first one to the last on file. tests/e2e/test_restarts.py has it short.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from docker import APIClient

from replicas.tests.engine_fixtures import tiny
from tests.api import Api
from tests.console import Console, new_console, remove_console
from tests.counting import Flood


def measure(console: Console, image: str, asked: argparse.Namespace) -> dict[str, int]:
    lines = asked.lines // asked.containers
    flood = Flood(
        console,
        Api(console),
        image,
        containers=asked.containers,
        lines=lines,
        each=asked.rate // asked.containers // 10,
    )
    with flood:
        flood.wait_for(1, 120)
        began = time.monotonic()
        for part in range(1, asked.restarts + 1):
            flood.wait_for(part * flood.lines // (asked.restarts + 1), 600)
            console.kill("worker")
            console.kill("web")
        flood.wait_for(flood.lines, 600)
        seconds = time.monotonic() - began
        return {**flood.faults(), "lines_per_second": round(flood.lines / seconds)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--containers", type=int, default=20)
    parser.add_argument("--restarts", type=int, default=5)
    parser.add_argument("--rate", type=int, default=30_000)
    asked = parser.parse_args()
    console = new_console()
    try:
        console.launch("up", "DETACH=1")
        image = tiny.ensure(APIClient())
        found = measure(console, image, asked)
    finally:
        remove_console(console)
        tiny.forget()
    print(json.dumps({"benchmark": "log_restarts", **vars(asked), **found}, indent=1))


if __name__ == "__main__":
    main()
