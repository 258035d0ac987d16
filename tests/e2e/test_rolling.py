"""Changes while people use an endpoint: no request fails, and no answer is cut.

Docker, HAProxy, the worker and the requests are real; the server in the containers
drops what it is answering as soon as it is asked to end.
"""

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime

import pytest
import requests

from endpoints.ingress.routes import WAYS, Way
from endpoints.ingress.runtime import Runtime, map_value, slot_places
from tests.api import Api
from tests.e2e.load import Load, read_stream

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.haproxy]

MORE = {"ReplicaRunning", "AnsweringAgain"}
LESS = {"FinishingRequests", "NotAnswering", "ContainerExited", "ContainerGone"}
PORT = {"PORT": "9000", "REVISION": "port"}
# Until the reconciler has seen the wish for revision 1 and done what follows from it.
SEEN = """
from replicas.reconciler.loop import reconcile
while Endpoint.objects.get(pk=row.pk).observed_revision != 1:
    reconcile(row.pk)
"""


@pytest.fixture(scope="module")
def api(console):
    return Api(console)


@pytest.fixture
def serving(api, console, told_images):
    """Make an endpoint of the told server with all its replicas ready; its URL."""
    names = []

    def make(name, replicas):
        names.append(name)
        scale = {"min_replicas": replicas, "max_replicas": replicas}
        # Room for all streams at once, also while there is one replica.
        room = {"concurrency_per_replica": 250}
        api.create(name, told_images[0], 8080, visibility="public", **scale, **room)
        seen = 0
        for _ in range(replicas):
            seen = wait(api, name, "ReplicaRunning", after=seen)["id"]
        return console.endpoint_url(name)

    yield make
    for name in names:
        api.delete(name)


def wait(api, name, *reasons, after=0):
    """The next event of one of these reasons, as the API shows it."""
    return json.loads(api.wait_for(name, *reasons, after=after))


def change(api, name, **fields):
    """PATCH; the id of the newest event before it."""
    last = story(api, name)[-1]["id"]
    answer = api.call("PATCH", f"endpoint/{name}", json=fields)
    assert answer.status_code == 200, answer.text
    return last


def story(api, name):
    return api.call("GET", f"events/{name}").json()


def replicas(api, name):
    """{replica id: number} of those that are ready."""
    found = api.call("GET", f"endpoint/{name}").json()["replicas"]
    return {r["replica_id"]: r["number"] for r in found if r["state"] == "ready"}


def answers(url, times=24):
    """Which revisions answer, each request on a connection of its own."""
    return {requests.get(url, timeout=60).text.split()[0] for _ in range(times)}


def least_ready(events, wanted):
    """The fewest replicas that were in traffic at once since there were `wanted`."""
    ready, least = set(), None
    for event in events:
        if event["event"]["type"] in MORE:
            ready.add(event["replica_id"])
        elif event["event"]["type"] in LESS:
            ready.discard(event["replica_id"])
        if least is None and len(ready) == wanted:
            least = wanted
        elif least is not None:
            least = min(least, len(ready))
    return least


@contextmanager
def route_watched(console, name):
    """A count of how often HAProxy had so many servers in use for this endpoint."""
    socket = console.config.env["ALIGHT_INGRESS_SOCKET"]
    seen, over = Counter(), threading.Event()

    def look():
        with Runtime(socket) as haproxy:
            row = map_value(haproxy.ask([f"get map {WAYS} {name}"])[0])
            slot = Way.read(row).slot
            while not over.wait(0.02):
                places = slot_places(haproxy.ask([f"show stat {slot} 4 -1"])[0], {})
                seen[sum(place.ready for place in places)] += 1

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        try:
            yield seen
        finally:
            over.set()
        looking.result()


def in_console(console, name, act):
    """What the API does not offer: `act`, Python words about the endpoint's `row`."""
    console.manage(
        "shell",
        "--no-imports",
        "-c",
        "from endpoints import services\n"
        "from endpoints.models import Endpoint\n"
        f"row = Endpoint.objects.get(name={name!r})\n"
        f"{act}",
    )


# --- revisions that work --------------------------------------------------------


def test_2000_requests_over_three_rollouts(api, console, serving, told_images):
    url = serving("rolling", replicas=3)
    with (
        route_watched(console, "rolling") as in_route,
        Load(url, at_least=2000) as load,
    ):
        # Other settings, then another image, then both another port and settings.
        last = change(api, "rolling", env_overrides={"REVISION": "settings"})
        wait(api, "rolling", "RolledOut", after=last)
        assert answers(url) == {"settings"}

        last = change(api, "rolling", image_url=told_images[1], env_overrides={})
        wait(api, "rolling", "RolledOut", after=last)
        assert answers(url) == {"two"}

        last = story(api, "rolling")[-1]["id"]
        env = [{"name": n, "value": v} for n, v in PORT.items()]
        spec = f"row.spec | {{'port': 9000, 'env': {env}}}"
        in_console(console, "rolling", f"services.change(row, 'admin', spec={spec})")
        wait(api, "rolling", "RolledOut", after=last)
        assert answers(url) == {"port"}
    assert load.failed == []
    assert load.asked >= 2000
    assert load.streamed >= 200
    assert load.revisions.keys() == {"one", "settings", "two", "port"}
    # In the route and in the timeline: a new one before an old one goes.
    assert min(in_route) == 3
    assert least_ready(story(api, "rolling"), wanted=3) == 3


# --- revisions that do not ------------------------------------------------------


def test_broken_revisions_stop_and_the_old_one_answers(
    api, console, serving, slow_registry, told_images
):
    url = serving("broken", replicas=2)
    kept = replicas(api, "broken")
    exits = {"env_overrides": {"REVISION": "bad", "EXIT": "3"}}
    image = {"image_url": told_images[0]}
    unwell = {"REVISION": "bad", "UNWELL": "1"}
    silent = {"env_overrides": unwell, "health_check_path": "/ok", "start_timeout": 10}
    with route_watched(console, "broken") as in_route, Load(url) as load:
        for fields, why in (
            ({"image_url": f"{slow_registry.host}/none:1"}, "none:1"),
            ({**image, **exits}, "exited with code 3"),
            ({**image, **silent}, "/ok answered 503, never 200, for 10 s"),
        ):
            last = change(api, "broken", **fields)
            stopped = wait(api, "broken", "RolloutStopped", after=last)
            assert why in stopped["event"]["details"]
            assert "Revision 1 keeps serving." in stopped["event"]["details"]
            assert answers(url) == {"one"}
        # What they brought ends; what served stays. Going back then moves nothing.
        last = stopped["id"]
        while len(api.call("GET", "endpoint/broken").json()["replicas"]) > len(kept):
            last = wait(api, "broken", "ReplicaStopped", after=last)["id"]
        back = api.call("POST", "endpoint/broken/revisions/1/rollback")
        assert back.status_code == 200, back.text
        in_console(console, "broken", SEEN)
    assert load.failed == []
    assert load.revisions.keys() == {"one"}
    assert replicas(api, "broken") == kept
    assert story(api, "broken")[-1]["event"]["type"] == "RolledBack"
    assert min(in_route) == 2
    assert least_ready(story(api, "broken"), wanted=2) == 2


# --- fewer replicas -------------------------------------------------------------


def test_200_streams_over_a_scale_down(api, serving):
    url = serving("fewer", replicas=3)
    numbers = replicas(api, "fewer")
    begun = threading.Barrier(201, timeout=60)

    def stream():
        with requests.Session() as session:
            # Long enough for a busy machine to get round to telling them.
            return read_stream(session, url, lines=100, pause=0.2, begun=begun.wait)

    with ThreadPoolExecutor(200) as clients:
        open_ones = [clients.submit(stream) for _ in range(200)]
        begun.wait()
        last = change(api, "fewer", min_replicas=1, max_replicas=1)
        leavers = {}
        for _ in range(2):
            event = wait(api, "fewer", "FinishingRequests", after=last)
            leavers[numbers[event["replica_id"]]] = event
            last = event["id"]
        streams = [one.result() for one in open_ones]
    for number, event in leavers.items():
        theirs = [s for s in streams if s.who == f"one fewer-{number}"]
        left = datetime.fromisoformat(event["timestamp"]).timestamp()
        # Each had its share, and went on after it had been told to leave.
        assert len(theirs) >= 50
        assert all(stream.ended > left for stream in theirs)
    for _ in range(2):
        last = wait(api, "fewer", "ReplicaStopped", after=last)["id"]
    assert len(replicas(api, "fewer")) == 1
    assert answers(url) == {"one"}
