"""Alight broken on purpose: what pages say while it lasts, and how it mends."""

import json
import os
import re
import shutil
import signal
import time
from contextlib import contextmanager, suppress

import pytest
import requests
from playwright.sync_api import expect

from launcher import processes
from tests.api import Api
from tests.browser import open_signed_in
from tests.console import running_console
from tests.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

SERVER = {"command": ["httpd"], "args": ["-f", "-p", "8080", "-h", "/www"]}
# An attempt that failed is followed by the next after 10 s.
NEXT_ATTEMPT = 40_000
# What people see of the engine within 2 and 5 s of a machine that does nothing else.
KILLED_SEEN, AWAY_SEEN = 20_000, 40_000
# Two looks of 10 s each, one of which was under way.
FROZEN_SEEN = 60_000


@pytest.fixture(scope="module")
def broken(own_engine):
    """A console on an engine of its own, whose disk is small."""
    own_engine.limit_disk("64m")
    own_engine.start("--live-restore")
    own_engine.tiny_image()
    with running_console(ALIGHT_DOCKER_HOST=own_engine.host) as made:
        yield made


@pytest.fixture(scope="module")
def api(broken):
    return Api(broken)


@pytest.fixture
def page(context, broken):
    return open_signed_in(context, broken)


@pytest.fixture
def ready(api, page, broken):
    """Make an endpoint that is ready, with its page open: `ready(name)`."""
    names = []

    def make(name):
        names.append(name)
        api.create(name, "alight-test/own:1", 8080, visibility="public", **SERVER)
        api.wait_for(name, "ReplicaRunning")
        page.goto(f"{broken.url}/endpoints/{name}/")
        expect(bubble(page)).to_have_attribute("data-state", "ready")

    yield make
    for name in names:
        api.delete(name)


def bubble(page):
    return page.get_by_role("button", name=re.compile("^Replica 1"))


def container(engine, name):
    """Name and id of the endpoint's one container; fails when there are more."""
    found = {n: i for n, i in engine.containers().items() if f"-{name}-" in n}
    ((label, whole_id),) = found.items()
    return label, whole_id


def answer(console, name):
    """Status of the endpoint, as someone outside has it; 0 while nobody listens."""
    try:
        host = {"Host": f"{name}.localhost:{console.port}"}
        url = f"http://127.0.0.1:{console.port}/"
        return requests.get(url, headers=host, timeout=60).status_code
    except requests.ConnectionError:
        return 0


def kill(console, name):
    """kill -9 one of the console's processes; returns when it has ended."""
    found = processes.running(console.config.pids, name)
    os.kill(found.pid, signal.SIGKILL)
    while processes.alive(found):
        time.sleep(0.01)


@contextmanager
def full_disk(engine):
    filler = engine.home / "data" / "filler"
    # Without a buffer: one would be written once more when it is closed.
    with filler.open("wb", buffering=0) as out, suppress(OSError):
        while out.write(b"x" * 4096):
            continue
    try:
        yield
    finally:
        filler.unlink()


# --- the engine -----------------------------------------------------------------


def away(page):
    """What every page says while the engine does not answer."""
    return page.get_by_role("alert").filter(has_text="Docker is not answering")


def told(api, name):
    """Status and state of the one replica, by the API."""
    (replica,) = api.call("GET", f"endpoint/{name}").json()["replicas"]
    return replica["status"], replica["state"]


def test_replicas_outlive_a_killed_engine(page, broken, own_engine, ready, api):
    ready("outlive")
    before = container(own_engine, "outlive")
    alert = away(page)
    expect(alert).to_be_hidden()
    own_engine.crash()
    expect(alert).to_be_visible(timeout=AWAY_SEEN)
    assert told(api, "outlive") == ("unknown", "ready")
    expect(bubble(page)).to_have_attribute("data-state", "ready")
    assert answer(broken, "outlive") == 200
    assert "does not answer" in broken.launch("status")
    own_engine.start("--live-restore")
    expect(alert).to_be_hidden()
    expect(bubble(page)).to_have_attribute("data-state", "ready")
    assert container(own_engine, "outlive") == before
    assert told(api, "outlive") == ("running", "ready")
    assert "does not answer" not in broken.launch("status")


def test_an_engine_that_freezes_counts_as_away_until_it_goes_on(
    page, broken, own_engine, ready, api
):
    ready("frozen")
    before = container(own_engine, "frozen")
    own_engine.freeze()
    try:
        expect(away(page)).to_be_visible(timeout=FROZEN_SEEN)
        expect(bubble(page)).to_have_attribute("data-state", "ready")
        assert told(api, "frozen") == ("unknown", "ready")
        assert answer(broken, "frozen") == 200
    finally:
        own_engine.thaw()
    expect(away(page)).to_be_hidden(timeout=FROZEN_SEEN)
    assert told(api, "frozen") == ("running", "ready")
    assert container(own_engine, "frozen") == before


def test_what_dies_with_its_engine_is_replaced_once(page, broken, own_engine, ready):
    ready("replaced")
    before = container(own_engine, "replaced")
    own_engine.crash()
    # Without live-restore the engine ends, as it starts, what it finds running.
    own_engine.start()
    expect(bubble(page)).to_have_attribute("data-state", "failed")
    expect(bubble(page)).to_have_attribute("data-state", "ready", timeout=NEXT_ATTEMPT)
    assert container(own_engine, "replaced") != before
    assert answer(broken, "replaced") == 200


def test_a_full_disk_is_named(page, broken, own_engine, api):
    # What goes while the disk is filled makes room on it again.
    until(lambda: not own_engine.containers())
    with full_disk(own_engine):
        api.create("full", "alight-test/own:1", 8080, **SERVER)
        page.goto(f"{broken.url}/endpoints/full/")
        words = page.get_by_text("No space is left on the node’s disk")
        expect(words.first).to_be_visible()
    expect(bubble(page)).to_have_attribute("data-state", "ready", timeout=NEXT_ATTEMPT)
    api.delete("full")


# --- somebody's hands -----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words", "says"),
    [
        # Seen a moment earlier it has been killed already and is still there.
        ("removed", ["rm", "--force"], re.compile("Somebody removed it|It was killed")),
        ("killed", ["kill"], "exited with code 137. It was killed: by somebody"),
        ("ended", ["stop"], "exited with code 143. It was asked to end"),
    ],
)
def test_a_container_that_somebody_ends(page, own_engine, ready, name, words, says):
    ready(name)
    own_engine.docker(*words, container(own_engine, name)[0])
    expect(bubble(page)).to_have_attribute("data-state", "failed", timeout=KILLED_SEEN)
    expect(page.get_by_text(says).first).to_be_visible()


def test_a_container_that_somebody_pauses(page, own_engine, ready):
    ready("paused")
    name, _ = before = container(own_engine, "paused")
    own_engine.docker("pause", name)
    expect(bubble(page)).to_have_attribute("data-state", "unhealthy")
    expect(page.get_by_text("Somebody paused its container").first).to_be_visible()
    own_engine.docker("unpause", name)
    expect(bubble(page)).to_have_attribute("data-state", "ready")
    assert container(own_engine, "paused") == before


# --- its own processes ----------------------------------------------------------


def test_endpoints_answer_again_as_soon_as_haproxy_does(page, broken, ready, api):
    ready("proxied")
    kill(broken, "haproxy")
    seen = 0
    while seen == 0:
        seen = answer(broken, "proxied")
    # Its files hold its last state: nobody is told that no replica is ready.
    assert seen == 200


def test_a_worker_killed_during_a_start_starts_nothing_twice(
    page, broken, own_engine, api
):
    late = ["sh", "-c", "sleep 2; exec httpd -f -p 8080 -h /www"]
    api.create("late", "alight-test/own:1", 8080, command=late)
    api.wait_for("late", "ContainerStarted")
    before = container(own_engine, "late")
    kill(broken, "worker")
    api.wait_for("late", "ReplicaRunning")
    assert container(own_engine, "late") == before
    assert api.events("late").count("ContainerStarted") == 1
    api.delete("late")


def test_nothing_is_lost_with_valkey_and_its_data(page, broken, own_engine, ready):
    ready("kept")
    before = container(own_engine, "kept")
    shutil.rmtree(broken.home / "valkey")
    (broken.home / "valkey").mkdir(mode=0o700)
    kill(broken, "valkey")
    assert answer(broken, "kept") == 200
    # What happens while nobody can be told is told afterwards.
    own_engine.docker("kill", before[0])
    expect(bubble(page)).to_have_attribute("data-state", "failed")
    expect(bubble(page)).to_have_attribute("data-state", "ready", timeout=NEXT_ATTEMPT)


def test_a_machine_that_lost_power(page, broken, own_engine, api):
    """The last of this file: everything of console and engine is killed at once."""
    keep = (
        "test -f /data/first || cp /proc/sys/kernel/random/uuid /data/first; "
        "exec httpd -f -p 8080 -h /data"
    )
    api.create(
        "mains",
        "alight-test/own:1",
        8080,
        visibility="public",
        command=["sh", "-c", keep],
        volumes_experimental=[{"name": "files", "path": "", "mount": "/data"}],
    )
    seen = json.loads(api.wait_for("mains", "ReplicaRunning"))["id"]
    first = file_of(broken, "mains")
    for name in ("supervisor", "beat", "worker", "web", "haproxy", "valkey"):
        kill(broken, name)
    own_engine.lose_power()

    own_engine.start("--live-restore")
    assert "left over" not in broken.launch("up", "DETACH=1")
    api.wait_for("mains", "ReplicaRunning", after=seen)
    assert file_of(broken, "mains") == first
    assert len([n for n in own_engine.containers() if "-mains-" in n]) == 1
    api.delete("mains")


def file_of(console, name):
    """What the first start of the replica left on its volume."""
    host = {"Host": f"{name}.localhost:{console.port}"}
    url = f"http://127.0.0.1:{console.port}/first"
    return requests.get(url, headers=host, timeout=30).text
