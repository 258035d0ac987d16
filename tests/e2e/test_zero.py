"""Down to no replica and back: nobody who asks is turned away, nothing in use stops.

Docker, HAProxy, the worker and the requests are real. Idle timeouts are a second or
two, so that a test sees many ends.
"""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from socket import create_connection
from urllib.parse import urlsplit

import pytest
import requests
from websockets.sync.client import connect

from tests.api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.haproxy]

IDLE = 2
FIRST_LINE = "/stream?lines=4000&pause=0.05"


@pytest.fixture(scope="module")
def api(console):
    return Api(console)


class Sleeper:
    """An endpoint of the told server that may sleep."""

    def __init__(self, api, name, url):
        self.api, self.name, self.url = api, name, url
        self.seen = 0

    def wait(self, *reasons):
        """The next event of one of these reasons."""
        told = json.loads(self.api.wait_for(self.name, *reasons, after=self.seen))
        self.seen = told["id"]
        return told

    def asleep(self):
        """Until it sleeps, and nothing of it runs."""
        self.wait("ScaledToZero")
        self.wait("ReplicaStopped")
        return self

    def count(self, reason):
        return self.api.events(self.name).count(reason)

    def ask(self, **rest):
        return requests.get(self.url, timeout=60, **rest)


@pytest.fixture
def sleeper(api, console, told_images):
    """Make an endpoint whose first replica is ready."""
    names = []

    def make(name, idle=IDLE, ready=True, **fields):
        names.append(name)
        usual = {"min_replicas": 0, "max_replicas": 3, "visibility": "public"}
        usual |= {"scale_to_zero": idle, "concurrency_per_replica": 100}
        api.create(name, told_images[0], 8080, **{**usual, **fields})
        made = Sleeper(api, name, console.endpoint_url(name))
        if ready:
            made.wait("ReplicaRunning")
        return made

    yield make
    for name in names:
        api.delete(name)


# --- waking ------------------------------------------------------------------------


def test_it_sleeps_and_one_request_wakes_one(sleeper):
    one = sleeper("dormouse").asleep()
    assert one.api.call("GET", "endpoint/dormouse").json()["replicas"] == []
    answer = one.ask()
    assert answer.status_code == 200, answer.text
    assert answer.text.startswith("one dormouse-1")
    # Its URL leads there a moment before that is told.
    one.wait("ReplicaRunning")
    assert one.count("Woken") == 1
    assert one.count("ReplicaRunning") == 2
    # And again, as often as it likes.
    assert one.asleep().ask().status_code == 200


def test_a_hundred_at_once_wake_one(sleeper):
    one = sleeper("crowded", max_replicas=8, concurrency_per_replica=4).asleep()
    with ThreadPoolExecutor(100) as clients:
        answers = list(clients.map(lambda _: one.ask(), range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert one.count("Woken") == 1
    # They started one and were served by it, four at a time.
    assert {answer.text for answer in answers} == {"one crowded-1\n"}
    assert one.count("WaitingForHardware") == 2


def test_ten_megabytes_arrive_as_they_were_sent(sleeper):
    one = sleeper("heavy").asleep()
    body = hashlib.sha256(b"seed").digest() * (10 << 15)
    answer = requests.post(one.url, data=body, timeout=60)
    assert answer.status_code == 200, answer.text[:200]
    who, _, echo = answer.content.partition(b"\n")
    assert who == b"one heavy-1"
    assert hashlib.sha256(echo).digest() == hashlib.sha256(body).digest()


def test_a_websocket_wakes_it(sleeper):
    one = sleeper("knocker").asleep()
    url = one.url.replace("http", "ws")
    with connect(f"{url}/socket", open_timeout=60) as socket:
        socket.send("hello")
        assert socket.recv() == "one knocker-1: hello"


# --- what counts as use -------------------------------------------------------------


def test_an_open_socket_keeps_it_awake_and_its_end_does_not(sleeper):
    one, other = sleeper("socket"), sleeper("neighbour")
    with connect(f"{one.url.replace('http', 'ws')}/socket", open_timeout=60) as socket:
        sleeps = one.count("ScaledToZero")
        # Meanwhile one beside it sleeps, wakes and sleeps.
        other.asleep()
        assert other.ask().status_code == 200
        other.asleep()
        socket.send("still there?")
        assert socket.recv().endswith(": still there?")
        assert one.count("ScaledToZero") == sleeps
    one.asleep()


def test_a_stream_keeps_it_awake_and_an_aborted_one_does_not(sleeper):
    one = sleeper("stream")
    with requests.get(f"{one.url}{FIRST_LINE}", stream=True, timeout=30) as answer:
        lines = answer.iter_lines()
        sleeps = one.count("ScaledToZero")
        for _ in range(IDLE * 3 * 20):  # three times the idle timeout
            next(lines)
        assert one.count("ScaledToZero") == sleeps
    # It left in the middle: the counters return to 0 all the same.
    one.asleep()


def test_one_who_left_while_waiting_is_forgotten(sleeper):
    one = sleeper("leaver").asleep()
    at = urlsplit(one.url)
    with create_connection(("127.0.0.1", at.port)) as caller:
        caller.sendall(f"GET / HTTP/1.1\r\nHost: {at.netloc}\r\n\r\n".encode())
        one.wait("Woken")
    one.wait("ReplicaRunning")
    one.asleep()
    assert one.count("Woken") == 1


# --- stops and starts that meet -----------------------------------------------------


def test_requests_that_meet_a_stop_are_answered(sleeper):
    """Asked for just as it goes, again and again, by several at once."""
    one = sleeper("flapping", idle=1)
    with ThreadPoolExecutor(8) as clients:
        for _ in range(4):
            one.wait("ScaledToZero")
            woken = one.count("Woken")
            # From now on it drains, is asked to end, and ends.
            answers = list(clients.map(lambda _: one.ask(), range(24)))
            assert {answer.status_code for answer in answers} == {200}
            if one.count("Woken") == woken:
                # All had their answer before it began to leave.
                one.wait("ReplicaStopped")
                assert one.ask().status_code == 200


def test_what_is_still_open_when_it_is_called_back_goes_on(sleeper, api, console):
    one = sleeper("callback", idle=600)
    with requests.get(f"{one.url}{FIRST_LINE}", stream=True, timeout=30) as answer:
        lines = answer.iter_lines()
        next(lines)
        console.manage(
            "shell",
            "--no-imports",
            "-c",
            "from endpoints import sizing\nfrom endpoints.models import Endpoint\n"
            "sizing.sleep(Endpoint.objects.get(name='callback'), 'admin')",
        )
        one.wait("FinishingRequests")
        assert one.ask().status_code == 200
        one.wait("ServingAgain")
        assert next(lines).startswith(b"one callback-1")
    assert one.count("ContainerStarted") == 1


# --- what people say ----------------------------------------------------------------


def test_minimum_and_maximum_are_honoured_when_they_change(sleeper, api):
    one = sleeper("edited").asleep()

    def edit(**fields):
        answer = api.call("PATCH", "endpoint/edited", json=fields)
        assert answer.status_code == 200, answer.text

    edit(min_replicas=2, max_replicas=2)
    for _ in range(2):
        one.wait("ReplicaRunning")
    edit(min_replicas=0, max_replicas=1)
    # The second goes at once: it is above the maximum. The first when it was idle.
    for _ in range(2):
        one.wait("ReplicaStopped")
    assert one.count("ScaledToZero") == 2


def test_a_start_that_fails_is_said_at_once_and_tried_no_longer(sleeper):
    one = sleeper("broken", ready=False, env_overrides={"EXIT": "3"})
    one.wait("ContainerExited")
    answer = one.ask()
    assert answer.status_code == 503, answer.text
    told = answer.json()["error"]
    assert told["code"] == "failed"
    assert "code 3" in told["reason"]
    # Nobody asks any more: its tries end as well.
    one.asleep()
