"""How the number of replicas follows recorded traffic, beside Knative's algorithm.

    .venv/bin/python benchmarks/bench_scaling.py [--record]

The traces in benchmarks/traces/ are requests in flight each second, read from HAProxy
while clients came and went; --record takes them anew (about six minutes). Both
policies see the same numbers, the same start of 10 s, and 1 to 8 replicas of 5
requests each. `knative_like` is Knative's algorithm with our target and our idle
timeout as its scale-down delay, so that only the rest differs. Also: what a look at
1,000 endpoints costs. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.knative import knative
from endpoints.ingress.base import Upstream
from endpoints.tests.ingress_parts import public, running
from replicas.scaling.policy import Policy, Seen
from replicas.scaling.replay import Run, Setting, ours, replay

TRACES = Path(__file__).resolve().parent / "traces"
SETTING = Setting(minimum=1, maximum=8, target=5, start=10, idle_timeout=300)

# --- recording ----------------------------------------------------------------------


def _step(t: float) -> int:
    """Nobody for half a minute, forty for two, then four."""
    return 0 if t < 30 else 40 if t < 150 else 4


def _bursts(t: float) -> int:
    """Thirty clients for 20 s of every minute, two otherwise."""
    return 30 if t % 60 < 20 else 2


def _slope(t: float) -> int:
    """Up by one every 6 s to thirty, and down again."""
    return max(0, min(int(t / 6), 60 - int(t / 6)))


SHAPES: dict[str, tuple[int, Callable[[float], int]]] = {
    "step": (330, _step),
    "bursts": (360, _bursts),
    "slope": (360, _slope),
}


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers each request after a time that is longer for some than for others."""
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(min(random.expovariate(1 / 0.4), 4))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _client(port: int, name: str, level: Callable[[], int], rank: int) -> None:
    """Asks again and again while at least `rank` clients are wanted."""
    while True:
        if level() < rank:
            await asyncio.sleep(0.05)
            continue
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"GET / HTTP/1.1\r\nHost: {name}.localhost\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        await reader.read()
        writer.close()


async def _record() -> None:
    serving: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.create_task(_serve(reader, writer)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with running(connections=2000) as haproxy:
        for name in SHAPES:
            haproxy.ingress.apply(public(name, Upstream("1.1", "127.0.0.1", port)))
        began = time.monotonic()
        clients = [
            asyncio.create_task(
                _client(
                    haproxy.setup.port,
                    name,
                    lambda shape=shape: shape(time.monotonic() - began),
                    rank,
                )
            )
            for name, (_, shape) in SHAPES.items()
            for rank in range(1, 41)
        ]
        seen: dict[str, list[int]] = {name: [] for name in SHAPES}
        for second in range(max(seconds for seconds, _ in SHAPES.values())):
            await asyncio.sleep(max(0, began + second + 0.5 - time.monotonic()))
            traffic = haproxy.ingress.traffic()
            for name, (seconds, _) in SHAPES.items():
                if second < seconds:
                    seen[name].append(traffic[name].in_flight)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
    server.close()
    # HAProxy has gone, and with it whoever waited for an answer.
    await asyncio.gather(*serving, return_exceptions=True)
    TRACES.mkdir(exist_ok=True)
    for name, (_, shape) in SHAPES.items():
        told = {"what": shape.__doc__, "in_flight": seen[name]}
        (TRACES / f"{name}.json").write_text(json.dumps(told) + "\n")


# --- replaying ----------------------------------------------------------------------


def _told(run: Run) -> dict[str, object]:
    return {
        "time_to_right_count_s": run.time_to_right(_rise(run)),
        "overshoot_replicas": run.overshoot,
        "flaps": run.flaps,
        "replica_seconds": run.replica_seconds,
        "request_seconds_in_line": run.waiting_seconds,
        "turned_away": run.turned_away,
        "most": max(run.wanted),
        "changes": sum(
            a != b for a, b in zip(run.wanted, run.wanted[1:], strict=False)
        ),
    }


def _rise(run: Run) -> int:
    """The second in which the most were needed for the first time."""
    return run.right.index(max(run.right))


def _cost() -> float:
    """Microseconds of processor time of one look, in the median of many."""
    policies = [Policy() for _ in range(1000)]
    seen = Seen(
        in_flight=7,
        wanted=2,
        ready=2,
        minimum=1,
        maximum=8,
        target=5,
        idle_timeout=300,
    )
    taken = []
    for second in range(120):
        began = time.process_time()
        for policy in policies:
            policy.look(second, seen)
        taken.append(time.process_time() - began)
    return statistics.median(taken) * 1e6 / len(policies)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true")
    if parser.parse_args().record:
        asyncio.run(_record())
    report: dict[str, object] = {}
    for path in sorted(TRACES.glob("*.json")):
        trace = json.loads(path.read_text())
        same = {"utilisation": 1.0, "delay": SETTING.idle_timeout}
        report[path.stem] = {
            "what": trace["what"],
            "alight": _told(replay(trace["in_flight"], SETTING, ours(SETTING))),
            "knative": _told(replay(trace["in_flight"], SETTING, knative(SETTING))),
            "knative_like": _told(
                replay(trace["in_flight"], SETTING, knative(SETTING, **same))
            ),
        }
    report["microseconds_for_a_look_at_one_endpoint"] = round(_cost(), 2)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
