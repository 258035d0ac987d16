"""People at a console on PostgreSQL, beside the same people on SQLite.

    .venv/bin/python benchmarks/bench_databases.py [--pages 100] [--clones 20]
        [--rounds 2]

Two whole consoles with real workers, Docker and ingress, one on each database, take
turns; which of them begins changes. In a round `pages` endpoint pages are open
(websockets, benchmarks/crowd.py), `clones` people ask for an endpoint in the same
moment, and four others look at pages and ask the API without a pause until all of the
new ones run. Then everything is deleted. The PostgreSQL is of this run and waits for
its disk, as one that people rely on.

Prints one JSON object. page, api, clone: milliseconds of an answer. ready: seconds from
the first request to the last of the new ones running. change: milliseconds from asking
for a change to the last of all open pages having it. errors: answers that were not what
was asked for. ratio: PostgreSQL's to SQLite's.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from statistics import median, quantiles

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import requests
from docker import from_env

from benchmarks.crowd import Crowd
from launcher import own_postgres
from replicas.tests.engine_fixtures import tiny
from tests.api import Api
from tests.console import Console, new_console, remove_console

KINDS = ("sqlite", "postgres")
# The endpoints that people have open.
OPEN = 10
LOOKERS = 4
SERVE = ["sh", "-c", "exec httpd -f -p 8080"]
# Seconds until a round counts as stuck.
PATIENCE = 120.0


class Side:
    """One console, and what was measured at it."""

    def __init__(self, console: Console, image: str) -> None:
        self.console, self.image = console, image
        self.api = Api(console)
        self.session = signed_in(console)
        self.took: dict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []
        self.open = [f"open-{n}" for n in range(OPEN)]
        for name in self.open:
            self.api.create(name, image, 8080, command=SERVE)
        wait_until_ready(self, self.open)

    @property
    def cookie(self) -> str:
        return "; ".join(f"{c.name}={c.value}" for c in self.session.cookies)

    def time(self, what: str, ask: Callable[[], requests.Response], good: int) -> None:
        begun = time.perf_counter()
        try:
            answer = ask()
        except requests.RequestException as error:
            self.errors.append(f"{what}: {error}")
            return
        self.took[what].append(1000 * (time.perf_counter() - begun))
        if answer.status_code != good:
            self.errors.append(f"{what}: {answer.status_code} {answer.text[:120]}")


def signed_in(console: Console) -> requests.Session:
    session = requests.Session()
    form = session.get(f"{console.url}/endpoints/", timeout=30)
    token = next(c.value for c in session.cookies if "csrf" in c.name)
    said = {"username": console.user, "password": console.password}
    answer = session.post(
        form.url,
        data={**said, "csrfmiddlewaretoken": token, "next": "/endpoints/"},
        headers={"Referer": form.url},
        timeout=30,
    )
    assert answer.url == f"{console.url}/endpoints/", answer.url
    return session


def a_round(side: Side, number: int, clones: int) -> None:
    names = [f"clone-{number}-{n}" for n in range(clones)]
    over = threading.Event()
    began = time.perf_counter()
    with ThreadPoolExecutor(clones + LOOKERS) as people:
        looking = [people.submit(look, side, n, over) for n in range(LOOKERS)]
        together = threading.Barrier(clones)
        asked = [people.submit(clone, side, name, together) for name in names]
        for one in asked:
            one.result()
        try:
            wait_until_ready(side, names)
        finally:
            over.set()
        for one in looking:
            one.result()
    side.took["ready"].append(time.perf_counter() - began)
    for name in names:
        side.api.delete(name)
    wait_until_gone(side)


def clone(side: Side, name: str, together: threading.Barrier) -> None:
    body = {"name": name, "image_url": side.image, "port": 8080, "command": SERVE}
    together.wait()
    ask = partial(side.api.call, "POST", "endpoint", json=body)
    side.time("clone", ask, good=201)


def look(side: Side, who: int, over: threading.Event) -> None:
    """One person, who looks at one page or list after the other."""
    count = who
    while not over.is_set():
        name = side.open[count % OPEN]
        url = f"{side.console.url}/endpoints/{name}/"
        page = partial(side.session.get, url, timeout=60)
        side.time("page", page, good=200)
        side.time("api", partial(side.api.call, "GET", f"endpoint/{name}"), good=200)
        count += 1


def wait_until_ready(side: Side, names: list[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        found = side.api.call("GET", "endpoints").json()
        ready = {
            e["name"]
            for e in found
            if any(r["state"] == "ready" for r in e["replicas"])
        }
        if ready >= set(names):
            return
        if time.monotonic() > deadline:
            side.errors.append(f"not ready: {sorted(set(names) - ready)}")
            return
        time.sleep(0.2)


def wait_until_gone(side: Side) -> None:
    deadline = time.monotonic() + PATIENCE
    while len(side.api.call("GET", "endpoints").json()) > OPEN:
        assert time.monotonic() < deadline, "endpoints that were deleted are there"
        time.sleep(0.2)


def change(side: Side, crowd: Crowd, number: int) -> None:
    """Every open page has it: none was lost meanwhile."""
    crowd.look_for(f'data-max=\\"{number}\\"')
    since = time.time()
    for name in side.open:
        path = f"endpoint/{name}"
        answer = side.api.call("PATCH", path, json={"max_replicas": number})
        assert answer.ok, answer.text
    side.took["change"].append(crowd.found(since)["last"])


def measure(sides: dict[str, Side], asked: argparse.Namespace) -> None:
    with ExitStack() as stack:
        crowds = {
            kind: stack.enter_context(
                Crowd(
                    Path(side.console.config.web_socket),
                    [side.open[n % OPEN] for n in range(asked.pages)],
                    side.cookie,
                )
            )
            for kind, side in sides.items()
        }
        for number in range(asked.rounds):
            for kind in KINDS if number % 2 else reversed(KINDS):
                a_round(sides[kind], number, asked.clones)
                change(sides[kind], crowds[kind], 2 + number)


def told(side: Side) -> dict[str, object]:
    found: dict[str, object] = {"errors": len(side.errors), "said": side.errors[:3]}
    for what in ("page", "api", "clone"):
        values = side.took[what]
        found[what] = {
            "count": len(values),
            "p50": round(median(values), 1),
            "p95": round(quantiles(values, n=20)[18], 1),
        }
    found["ready"] = round(median(side.took["ready"]), 1)
    found["change"] = round(median(side.took["change"]))
    return found


def compared(sqlite: dict, postgres: dict) -> dict[str, float]:
    ratio = {
        f"{what}_p95": round(postgres[what]["p95"] / sqlite[what]["p95"], 2)
        for what in ("page", "api", "clone")
    }
    ratio["ready"] = round(postgres["ready"] / sqlite["ready"], 2)
    ratio["change"] = round(postgres["change"] / sqlite["change"], 2)
    return ratio


@contextmanager
def consoles() -> Iterator[dict[str, Side]]:
    """One on each database, both running."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        log = Path(folder, "postgres.log")
        url = stack.enter_context(own_postgres.server(log, lasting=True))
        client = stack.enter_context(closing(from_env(timeout=120)))
        image = tiny.ensure(client.api, "alight-bench/tiny:1")
        stack.callback(client.images.remove, image, force=True)
        sides = {}
        for kind in KINDS:
            database = {"ALIGHT_DATABASE_URL": url if kind == "postgres" else ""}
            console = new_console(**database)
            stack.callback(remove_console, console)
            console.launch("up", "DETACH=1")
            sides[kind] = Side(console, image)
        yield sides


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=100)
    parser.add_argument("--clones", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    # What starting and removing consoles says goes beside the object.
    with redirect_stdout(sys.stderr), consoles() as sides:
        measure(sides, asked)
        found = {kind: told(side) for kind, side in sides.items()}
    ratio = compared(found["sqlite"], found["postgres"])
    shown = {"benchmark": "databases", **vars(asked), **found, "ratio": ratio}
    print(json.dumps(shown, indent=1))


if __name__ == "__main__":
    main()
