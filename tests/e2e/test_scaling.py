"""Replicas follow traffic while people use it: more, fewer, crashed, restarted.

Docker, HAProxy, the worker and the requests are real.
"""

import json
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
import requests

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
    return [
        (*map(int, e["message"].split(" → ")), e["details"])
        for e in told
        if e["type"] == "Resized"
    ]


def ready(api, name):
    found = api.call("GET", f"endpoint/{name}").json()["replicas"]
    return [r for r in found if r["state"] == "ready"]


@dataclass
class Quick(Load):
    """A load whose streams take half a second; knows when each failure was open."""

    spans: list = field(default_factory=list)

    def _one(self, session, number):
        begun, failures = time.time(), len(self.failed)
        super()._one(session, number)
        if len(self.failed) > failures:
            with self._lock:
                self.spans.append((begun, time.time()))

    def _ask(self, session, number):
        if number % 10:
            return super()._ask(session, number)
        with self._lock:
            self.streamed += 1
        return read_stream(session, self.url, lines=10, pause=0.05).who


def test_it_grows_under_load_and_shrinks_without_cutting_anyone_off(api, serving):
    url = serving("growing")
    over = threading.Event()

    def keep_asking(_):
        """Streams of two seconds, one after the other."""
        with requests.Session() as session:
            found = []
            while not over.is_set():
                found.append(read_stream(session, url, lines=20, pause=0.1))
            return found

    with ThreadPoolExecutor(14) as clients:
        asking = [clients.submit(keep_asking, n) for n in range(14)]
        last = 0
        while len(ready(api, "growing")) < 4:
            last = wait(api, "growing", "ReplicaRunning", after=last)["id"]
        # One long answer at each goes on while all but one leave.
        over.set()
        streams = [one for future in asking for one in future.result()]
        long_ones = [
            clients.submit(read_stream, requests.Session(), url, 150, 0.1)
            for _ in range(4)
        ]
        for _ in range(2):
            last = wait(api, "growing", "FinishingRequests", after=last)["id"]
        streams += [one.result() for one in long_ones]
    assert {s.who.split("-")[-1] for s in streams} >= {"1", "2"}
    for _ in range(3):
        last = wait(api, "growing", "ReplicaStopped", after=last)["id"]
    assert len(ready(api, "growing")) == 1
    decided = numbers(api, "growing")
    assert all(1 <= new <= 4 for _, new, _ in decided)
    # Each begins where the last one ended, and says its numbers.
    assert decided[0][0] == 1
    assert [new for _, new, _ in decided[:-1]] == [old for old, _, _ in decided[1:]]
    assert all("in flight, target 4 each." in text for _, _, text in decided)


def test_10000_requests_while_replicas_come_go_crash_and_drain(api, serving, console):
    name = "coming"
    url = serving(name, scale_to_zero=600, max_replicas=3)
    crashed = []

    def crash():
        """kill -9 of one's container, as a crash of its program would be."""
        victim = max(ready(api, name), key=lambda r: r["number"])
        last = newest(api, name)
        label = f"alight.replica={victim['replica_id']}"
        found = subprocess.run(
            ["docker", "ps", "-q", "--filter", f"label={label}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        assert len(found) == 1, found
        crashed.append(time.time())
        subprocess.run(["docker", "kill", *found], check=True, capture_output=True)
        wait(api, name, "ReplicaRunning", after=last)

    with Quick(url, clients=16, at_least=10_000) as load:
        change(api, name, min_replicas=3)
        while len(ready(api, name)) < 3:
            wait(api, name, "ReplicaRunning")
        crash()
        for scale in (1, 3, 2):
            last = newest(api, name)
            change(api, name, min_replicas=min(scale, 2), max_replicas=scale)
            reason = "ReplicaStopped" if scale < 3 else "Scaled"
            wait(api, name, reason, after=last)
        last = newest(api, name)
        console.manage("shell", "--no-imports", "-c", RESTART.format(name))
        wait(api, name, "ReplicaStopped", after=last)
    assert load.asked >= 10_000
    assert load.streamed >= 1000
    # Whoever was at the replica that crashed lost their answer, and nobody else.
    others = [
        why
        for why, (begun, ended) in zip(load.failed, load.spans, strict=True)
        if not any(begun <= at <= ended for at in crashed)
    ]
    assert others == []
    assert len(load.failed) <= 16
