"""What the console costs while nobody uses it: memory and processor time.

    .venv/bin/python benchmarks/bench_rest.py [--seconds 60]

Starts a console of its own on a free port, waits until it has settled, and measures for
a while: bytes of memory that are each process's own share (PSS), and the part of one
core it took. Prints one JSON object. Good: under 350 MB and 2 % of a core in all.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from launcher.config import Config
from launcher.down import SERVICES
from launcher.status import Row, look
from tests.console import new_console, remove_console

# Sweeps come every ten seconds; imports and first connections are over by then.
SETTLE_SECONDS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    seconds = parser.parse_args().seconds
    console = new_console()
    try:
        console.launch("up", "DETACH=1")
        time.sleep(SETTLE_SECONDS)
        before = rows(console.config)
        time.sleep(seconds)
        after = rows(console.config)
    finally:
        remove_console(console)
    print(json.dumps(result(before, after), indent=1))


def rows(config: Config) -> dict[str, Row]:
    found = {name: look(config, name) for name in ("supervisor", *SERVICES)}
    return {name: row for name, row in found.items() if row}


def result(before: dict[str, Row], after: dict[str, Row]) -> dict[str, object]:
    each = {}
    for name, row in after.items():
        first = before[name]
        assert row.pid == first.pid, f"{name} was started again meanwhile"
        used = row.cpu_seconds - first.cpu_seconds
        passed = row.age_seconds - first.age_seconds
        each[name] = {
            "memory_mb": round(row.memory_bytes / 1e6, 1),
            "core_percent": round(100 * used / passed, 2),
        }
    return {
        "processes": each,
        "memory_mb": round(sum(one["memory_mb"] for one in each.values()), 1),
        "core_percent": round(sum(one["core_percent"] for one in each.values()), 2),
    }


if __name__ == "__main__":
    main()
