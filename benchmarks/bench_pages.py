"""A thousand open pages on one web process, and what a change costs them.

    .venv/bin/python benchmarks/bench_pages.py [--pages 1000] [--endpoints 50]

The web process is the launcher's own (uvicorn, one worker) with a database and a Valkey
of this run; the pages are websockets (benchmarks/crowd.py). Prints one JSON object.
Milliseconds from the commit of a change to a page having it:

one       every page is of one endpoint, and it changes
many      the pages are of `endpoints` endpoints, and all of them change at once
engine    as many, and the engine goes away
restart   as many; the web process is killed, everything changes, and it is started
          again: from the moment it listens until the pages have the change
floor     a bare `websockets` server that sends as many sockets the bytes of `one`

last is the page that had it last. cpu: the web process's processor time for a change
(ms). memory: its own share (MB). rest: what it uses while nothing happens (% of a
core).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.many import HOME, ROOT, fill, house  # isort: skip - sets Django up

from django.conf import settings
from django.test import Client
from django.utils import timezone

from benchmarks.crowd import Crowd
from endpoints import live
from endpoints.models import Endpoint
from launcher import processes
from launcher.config import read_config
from launcher.services import web
from replicas.models import Node

FLOOR = """
import asyncio, sys, websockets
async def main(path, size):
    opened = set()
    async def stay(socket):
        opened.add(socket)
        await socket.send('{"kind": "current"}')
        await socket.wait_closed()
    async with websockets.unix_serve(stay, path):
        print("ready", flush=True)
        while word := await asyncio.to_thread(sys.stdin.readline):
            text = '{"html": "' + word.strip() + "x" * size + '"}'
            websockets.broadcast(opened, text)
asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


class Web:
    def __init__(self) -> None:
        self.service = web(read_config({"ALIGHT_HOME": str(HOME)}))
        self.path = Path(settings.ALIGHT_WEB_SOCKET)
        self.start()

    def start(self) -> float:
        """The moment it listened."""
        self.path.unlink(missing_ok=True)
        with (HOME / "web.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.service.command, stdout=log, stderr=log, cwd=ROOT
            )
        while not self.path.exists():
            time.sleep(0.01)
        return time.time()

    @property
    def cpu(self) -> float:
        return processes.cpu_seconds(self.process.pid)

    @property
    def memory(self) -> int:
        return round(processes.memory(self.process.pid) / 1e6)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def change(endpoints: list[Endpoint], number: int) -> float:
    """Change them as a verb does; the moment it was committed."""
    rows = Endpoint.objects.filter(pk__in=[e.pk for e in endpoints])
    rows.update(max_replicas=number)
    now = time.time()
    for endpoint in endpoints:
        live.changed(endpoint.pk, endpoint.owner_id)
    return now


def shown(number: int) -> str:
    """What a page's message has once that change is in it."""
    return f'data-max=\\"{number}\\"'


def lose_engine() -> float:
    """As the reconciler tells it: every page is news."""
    Node.objects.update(unreachable_since=timezone.now())
    now = time.time()
    live.hardware_changed()
    for pk, owner in Endpoint.objects.values_list("pk", "owner_id"):
        live.changed(pk, owner)
    return now


def changes(
    crowd: Crowd, server: Web, endpoints: list[Endpoint], base: int, times: int
):
    """`times` changes one after the other; medians."""
    rounds = []
    for number in range(base, base + times):
        crowd.look_for(shown(number))
        before = server.cpu
        found = crowd.found(change(endpoints, number))
        # What follows the change belongs to its cost.
        time.sleep(0.5)
        rounds.append({**found, "cpu": (server.cpu - before) * 1000})
    return medians(rounds)


def medians(rounds: list[dict[str, float]]) -> dict[str, int]:
    return {key: round(median(one[key] for one in rounds)) for key in rounds[0]}


def at_rest(server: Web, seconds: float) -> float:
    before, since = server.cpu, time.monotonic()
    time.sleep(seconds)
    return round(100 * (server.cpu - before) / (time.monotonic() - since), 1)


def floor(count: int, size: int, times: int) -> dict[str, int]:
    path = HOME / "run" / "floor.sock"
    command = [sys.executable, "-c", FLOOR, str(path), str(size)]
    pipe = subprocess.PIPE
    server = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdout.readline()
    rounds = []
    with Crowd(path, ["floor"] * count, "") as crowd:
        for n in range(times):
            crowd.look_for(f"word{n}.")
            since = time.time()
            server.stdin.write(f"word{n}.\n")
            server.stdin.flush()
            rounds.append(crowd.found(since))
    server.kill()
    return medians(rounds)


def measure(asked: argparse.Namespace) -> dict[str, object]:
    owner = fill(asked.endpoints, 2)
    client = Client(headers={"host": "localhost"})
    client.force_login(owner)
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.session.session_key}"
    endpoints = list(Endpoint.objects.order_by("pk"))
    names = [endpoints[n % len(endpoints)].name for n in range(asked.pages)]
    server = Web()
    found: dict[str, object] = {"pages": asked.pages, "endpoints": asked.endpoints}
    try:
        with Crowd(server.path, names[:1] * asked.pages, cookie) as crowd:
            one = changes(crowd, server, endpoints[:1], 3, asked.times)
        with Crowd(server.path, names, cookie) as crowd:
            found["memory"] = server.memory
            found["rest"] = at_rest(server, asked.rest)
            found["one"] = one
            found["many"] = changes(crowd, server, endpoints, 10, asked.times)
            crowd.look_for('id=\\"engine-down\\"')
            found["engine"] = medians([crowd.found(lose_engine())])
            crowd.look_for(shown(16))
            server.kill()
            change(endpoints, 16)
            found["restart"] = medians([crowd.found(server.start())])
            found["memory_after"] = server.memory
        found["floor"] = floor(asked.pages, one["bytes"] // asked.pages, asked.times)
    finally:
        server.kill()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--endpoints", type=int, default=50)
    parser.add_argument("--times", type=int, default=5, choices=range(1, 7))
    parser.add_argument("--rest", type=float, default=20)
    asked = parser.parse_args()
    with house():
        print(json.dumps({"benchmark": "pages", **measure(asked)}, indent=1))


if __name__ == "__main__":
    main()
