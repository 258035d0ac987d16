"""Promises of docs/acceptance.md on a real engine that no other file has a test for."""

import json
import re
import time

import pytest
from playwright.sync_api import expect

from replicas.engine import names
from tests.api import Api
from tests.browser import open_signed_in
from tests.console import running_console

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

IMAGE = "alight-test/own:1"
HTTPD = ["httpd", "-f", "-h", "/www", "-p"]
SMALL = """
from templates_app.models import Tier
Tier.objects.create(slug="small64", name="Small 64", gpus=0, cores=1, memory_mb=64,
    shm_mb=16, position=99, edited=True)
"""
# An attempt that failed is followed by another, which fails as well.
FAILED_AGAIN = 60_000
# What ends an attempt; the next attempt has lines of its own.
ENDS = {"ImageFailed", "ContainerExited", "StartTimedOut", "ContainerNotStarted"}
ENDS |= {"ContainerGone", "ReplicaFailed", "ContainerEnded"}
# Said of an attempt whose end the engine was not told to be for want of memory, which
# happens (docs/known-gaps.md): then the next one is looked at.
UNSAID = "It was killed: by somebody, or because it ran out of memory."
# Until an engine that was away has none of a deleted endpoint's containers. The promise
# is 10 s; a machine that does much else may take longer.
GONE_SECONDS = 60


@pytest.fixture(scope="module")
def home(own_engine):
    """A console on an engine of its own, with a tier of 64 MB."""
    own_engine.start("--live-restore")
    own_engine.tiny_image()
    with running_console(ALIGHT_DOCKER_HOST=own_engine.host) as made:
        made.manage("shell", "-c", SMALL)
        yield made


@pytest.fixture(scope="module")
def api(home):
    return Api(home)


@pytest.fixture
def made(api):
    """Make an endpoint by `made(name, …)`; it is deleted afterwards."""
    names = []

    def make(name, *args, **fields):
        api.create(name, *args, **fields)
        names.append(name)

    yield make
    for name in names:
        api.delete(name)


@pytest.fixture
def page(context, home):
    return open_signed_in(context, home)


def ends(api, name, attempt):
    """What ended this attempt: (type, details), each a line of the story."""
    lines = api.call("GET", f"events/{name}").json()
    return [
        (line["event"]["type"], line["event"]["details"])
        for line in lines
        if line["attempt"] == attempt and line["event"]["type"] in ENDS
    ]


# --- 6: back-off ----------------------------------------------------------------


def test_a_clean_exit_is_no_crash_and_backs_off_with_its_count(api, made):
    made("clean", IMAGE, 8080, command=["sh", "-c", "echo all done"])
    first = api.wait_for("clean", "WaitingToRestart")
    api.wait_for("clean", "WaitingToRestart", after=json.loads(first)["id"])
    ((_, told),) = ends(api, "clean", attempt=1)
    assert "It ended by itself." in told
    texts = [e["event"]["details"] for e in api.call("GET", "events/clean").json()]
    for count, delay in ((1, 10), (2, 20)):
        words = f"Restart {count} follows in {delay} s"
        assert any(words in text for text in texts), texts
    (replica,) = api.call("GET", "endpoint/clean").json()["replicas"]
    assert replica["restarts"] == 1


# --- 7: a slow pull -------------------------------------------------------------


def test_a_slow_pull_is_seen_and_does_not_use_up_the_start_timeout(
    api, page, home, made, slow_registry
):
    slow_registry.trickle(600_000)
    command = [*HTTPD, "8080"]
    made("slowpull", slow_registry.image, 8080, command=command, start_timeout=10)
    api.wait_for("slowpull", "PullingImage")
    begun = time.monotonic()
    page.goto(f"{home.url}/endpoints/slowpull/")
    page.get_by_role("button", name=re.compile("^Replica 1")).click()
    dialog = page.get_by_role("dialog")
    bubble = page.locator(".replica .r-state").first
    # Longer than the start timeout, and it is seen to come all the while.
    while time.monotonic() - begun < 12:
        seen = bubble.inner_text()
        expect(bubble).not_to_have_text(seen)
        expect(bubble).to_have_text(re.compile(r"^Pulling \d+%$"))
        bytes_of_all = re.compile(r"\d+%, \d+ [kM]B of \d+ MB")
        expect(dialog.get_by_text(bytes_of_all).first).to_be_visible()
    assert "ImagePulled" not in api.events("slowpull")
    slow_registry.release()
    api.wait_for("slowpull", "ReplicaRunning")
    assert ends(api, "slowpull", attempt=1) == []


# --- 9: every failure has its reason, its last lines and a next step -------------

FAILURES = {
    "noimage": (
        {"image": "none:1"},
        ("ImageFailed", "not found"),
        "",
        "Change the image",
    ),
    "nocommand": (
        {"command": ["nosuch"]},
        ("ContainerExited", "Container exited with code 127"),
        "nosuch",
        "Change the command",
    ),
    "exits": (
        {"command": ["sh", "-c", "echo no driver found; exit 3"]},
        ("ContainerExited", "Container exited with code 3"),
        "no driver found",
        "",
    ),
    "memory": (
        {
            "command": ["sh", "-c", "echo filling; x=1; while :; do x=$x$x; done"],
            "instance_type": "small64",
        },
        ("ContainerExited", "Container exited with code 137. Out of memory"),
        "filling",
        "Move to ",
    ),
    "noport": (
        {"command": [*HTTPD, "7860"], "start_timeout": 10},
        ("StartTimedOut", "The container listens on 7860"),
        "",
        "Use port 7860",
    ),
    "unhealthy": (
        {
            "command": [*HTTPD, "8080"],
            "health_check_path": "/nothing",
            "start_timeout": 10,
        },
        ("StartTimedOut", "/nothing answered 404"),
        "",
        "Change the health check",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_says_why_and_what_to_do(api, page, home, made, slow_registry, name):
    fields, (reason, words), last_line, step = FAILURES[name]
    image = IMAGE
    if "image" in fields:
        image = f"{slow_registry.host}/{fields['image']}"
    settings = {key: value for key, value in fields.items() if key != "image"}
    made(name, image, 8080, **settings)
    seen = json.loads(api.wait_for(name, "WaitingToRestart"))["id"]
    attempt = 1
    while UNSAID in ends(api, name, attempt)[0][1] and attempt < 4:
        line = api.wait_for(name, "WaitingToRestart", after=seen)
        seen, attempt = json.loads(line)["id"], attempt + 1
    ((kind, told),) = ends(api, name, attempt)
    assert kind == reason
    assert words in told
    assert "ReplicaRunning" not in api.events(name)
    page.goto(f"{home.url}/endpoints/{name}/")
    if step:
        button = page.get_by_role("button", name=step)
        way = button.or_(page.get_by_role("link", name=step)).first
        expect(way).to_be_visible(timeout=FAILED_AGAIN)
    page.get_by_role("button", name=re.compile("^Replica 1")).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(words.split(".")[0]).first).to_be_visible()
    expect(dialog.get_by_text(re.compile("Restart 1 follows")).first).to_be_visible()
    if last_line:
        dialog.get_by_text("Its last lines").first.click()
        expect(dialog.locator("pre", has_text=last_line).first).to_be_visible()


# --- 1: orphans -----------------------------------------------------------------


@pytest.mark.parametrize("how", ["crash", "stop"])
def test_deleted_while_the_engine_is_away(api, own_engine, made, home, how):
    name = f"away{how}"
    command = [*HTTPD, "8080"]
    made(name, IMAGE, 8080, command=command, min_replicas=2, max_replicas=2)
    seen = api.wait_for(name, "ReplicaRunning")
    api.wait_for(name, "ReplicaRunning", after=json.loads(seen)["id"])
    stranger = f"stranger-{name}"
    own_engine.docker(
        *("run", "--detach", "--name", stranger),
        *("--label", f"{names.INSTALLATION}=somebody-else"),
        *("--label", f"{names.ENDPOINT}={name}"),
        *("--label", f"{names.REPLICA}=1", "--label", f"{names.ATTEMPT}=1"),
        *(IMAGE, "sleep", "3600"),
    )
    ours = f"label={names.INSTALLATION}={installation(home)}"
    find = "ps", "--all", "--quiet", "--filter", ours
    assert len(own_engine.docker(*find).split()) == 2
    getattr(own_engine, how)()
    assert api.delete(name) == 204
    own_engine.start("--live-restore")
    deadline = time.monotonic() + GONE_SECONDS
    while left := own_engine.docker(*find):
        assert time.monotonic() < deadline, f"left behind: {left}"
    assert stranger in own_engine.docker("ps", "--format", "{{.Names}}")
    own_engine.docker("rm", "--force", stranger)


def installation(home):
    """As it is on every container."""
    words = "from django.conf import settings; print(settings.ALIGHT_INSTALLATION)"
    return home.manage("shell", "--no-imports", "-c", words)
