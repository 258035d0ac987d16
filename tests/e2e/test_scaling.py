"""Replicas follow traffic while people use it: more, fewer, crashed, restarted.

Docker, HAProxy, the worker and the requests are real.
"""

import json
import re
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import requests

from replicas.engine.names import INSTALLATION, REPLICA
from tests.api import Api
from tests.e2e.load import Load, read_stream

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.haproxy]

RESTART = """
from django.contrib.auth import get_user_model
from replicas import services
from replicas.models import Replica
one = Replica.objects.filter(endpoint__name={!r}, state="ready").first()
assert services.restart(one, get_user_model().objects.get(username="admin"))
"""
# So that it shrinks within the test.
IDLE = 3


@pytest.fixture(scope="module")
def api(console):
    return Api(console)


@pytest.fixture
def serving(api, console, told_images):
    """Make an endpoint of the told server with its minimum ready; its URL."""
    names = []

    def make(name, **fields):
        names.append(name)
        usual = {"min_replicas": 1, "max_replicas": 4, "visibility": "public"}
        usual |= {"scale_to_zero": IDLE, "concurrency_per_replica": 4}
        api.create(name, told_images[0], 8080, **{**usual, **fields})
        wait(api, name, "ReplicaRunning")
        return console.endpoint_url(name)

    yield make
    for name in names:
        api.delete(name)


def wait(api, name, *reasons, after=0):
    return json.loads(api.wait_for(name, *reasons, after=after))


def newest(api, name):
    return api.call("GET", f"events/{name}").json()[-1]["id"]


def change(api, name, **fields):
    answer = api.call("PATCH", f"endpoint/{name}", json=fields)
    assert answer.status_code == 200, answer.text


def numbers(api, name):
    """[(old, new, sentence)] of each decision, oldest first."""
    told = [line["event"] for line in api.call("GET", f"events/{name}").json()]
    lines = [e["details"] for e in told if e["type"] == "Resized"]
    found = [re.fullmatch(r"(\d+) → (\d+)\. (.+)", line) for line in lines]
    return [(int(old), int(new), why) for old, new, why in (f.groups() for f in found)]


def ready(api, name):
    found = api.call("GET", f"endpoint/{name}").json()["replicas"]
    return [r for r in found if r["state"] == "ready"]


@dataclass
class Quick(Load):
    """A load whose streams take half a second. lost: (begun, ended, why) of each
    request that failed."""

    lost: list = field(default_factory=list)

    def _one(self, session, number):
        begun = time.time()
        try:
            self._ask(session, number)
        except (requests.RequestException, AssertionError) as error:
            with self._lock:
                self.lost.append((begun, time.time(), repr(error)))

    def _ask(self, session, number):
        if number % 10:
            return super()._ask(session, number)
        with self._lock:
            self.streamed += 1
        return read_stream(session, self.url, lines=10, pause=0.05).who


@contextmanager
def streaming(url, clients=14):
    """So many clients, each with streams of two seconds one after the other; no stream
    of theirs may break off."""
    over = threading.Event()

    def keep_asking(_):
        with requests.Session() as session:
            found = []
            while not over.is_set():
                found.append(read_stream(session, url, lines=20, pause=0.1))
            return found

    with ThreadPoolExecutor(clients) as pool:
        asking = [pool.submit(keep_asking, n) for n in range(clients)]
        try:
            yield
        finally:
            over.set()
        assert all(future.result() for future in asking)


def grown(api, name, to):
    """Wait until so many are ready; the id of the newest event then."""
    last = 0
    while len(ready(api, name)) < to:
        last = wait(api, name, "ReplicaRunning", after=last)["id"]
    return last


def test_it_grows_under_load_and_shrinks_without_cutting_anyone_off(api, serving):
    url = serving("growing")
    with streaming(url):
        last = grown(api, "growing", to=4)
    with ThreadPoolExecutor(4) as clients:
        # Four long answers, enough for one replica, go on while the others leave.
        session = requests.Session
        long_ones = [
            clients.submit(read_stream, session(), url, 240, 0.5) for _ in range(4)
        ]
        for _ in range(3):
            last = wait(api, "growing", "FinishingRequests", after=last)["id"]
        assert not any(one.done() for one in long_ones)
        streams = [one.result() for one in long_ones]
    assert len({stream.who for stream in streams}) > 1
    while len(api.call("GET", "endpoint/growing").json()["replicas"]) > 1:
        last = wait(api, "growing", "ReplicaStopped", after=last)["id"]
    assert len(ready(api, "growing")) == 1
    decided = numbers(api, "growing")
    assert all(1 <= new <= 4 for _, new, _ in decided)
    # Each begins where the last one ended, and says its numbers.
    assert decided[0][0] == 1
    assert [new for _, new, _ in decided[:-1]] == [old for old, _, _ in decided[1:]]
    assert all("in flight, target 4 each." in text for _, _, text in decided)


def scale(api, name, count):
    """Have so many, and wait until those between came or went."""
    last, before = newest(api, name), len(ready(api, name))
    change(api, name, min_replicas=count, max_replicas=count)
    reason = "ReplicaRunning" if count > before else "ReplicaStopped"
    for _ in range(abs(count - before)):
        last = wait(api, name, reason, after=last)["id"]


def crash(api, name):
    """kill -9 of one's container, as a crash of its program would be, and its return;
    when the kill began and was over."""
    victim = max(ready(api, name), key=lambda r: r["number"])
    last = newest(api, name)
    # Consoles of other lanes have replicas of the same number.
    mine = f"label={INSTALLATION}={api.console.installation}"
    its = f"label={REPLICA}={victim['replica_id']}"
    found = subprocess.run(
        ["docker", "ps", "-q", "--filter", mine, "--filter", its],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert len(found) == 1, found
    begun = time.time()
    subprocess.run(["docker", "kill", *found], check=True, capture_output=True)
    over = time.time()
    wait(api, name, "ReplicaRunning", after=last)
    return begun, over


def test_10000_requests_while_replicas_come_go_crash_and_drain(api, serving, console):
    name = "coming"
    url = serving(name, scale_to_zero=600, max_replicas=3)
    with Quick(url, clients=16, at_least=10_000) as load:
        scale(api, name, 3)
        killed, over = crash(api, name)
        scale(api, name, 1)
        scale(api, name, 3)
        last = newest(api, name)
        console.manage("shell", "--no-imports", "-c", RESTART.format(name))
        wait(api, name, "ReplicaStopped", after=last)
        scale(api, name, 2)
    assert load.asked >= 10_000
    assert load.streamed >= 1000
    # Nobody but those who asked while the container was being killed.
    others = [
        why
        for begun, ended, why in load.lost
        if not (begun <= over and killed <= ended)
    ]
    assert others == []


def test_a_crash_costs_only_those_who_were_there(api, serving):
    url = serving("crashing", scale_to_zero=600, max_replicas=3)
    with Quick(url, clients=16, at_least=500) as load:
        scale(api, "crashing", 3)
        crash(api, "crashing")
    assert len(load.lost) <= 16
