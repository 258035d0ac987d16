"""What docker-compose.yml promises beyond `make up`, asked of the stack that runs."""

import json
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from playwright.sync_api import expect

from endpoints.steps import Reason
from launcher.replicas import LABEL
from launcher.services import listens
from replicas.engine.names import ENDPOINT
from tests.api import Api
from tests.browser import open_signed_in
from tests.compose.stack import IMAGE, SERVICES
from tests.compose.talking import Talk
from tests.counting import PORT, script
from tests.e2e.test_async import response, taken, until
from tests.e2e.test_restarts import LINES, by_start

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.haproxy]

OURS = ("web", "worker", "beat", "ingress")
BYTES = 250_000_000
# Answers as soon as it has waited for as long as its environment says.
LATE = f"sleep ${{WAIT:-0}}; exec httpd -f -p {PORT} -h /www"
# Long enough to be still at it when the stack goes down.
WAIT = "20"
PATIENCE = 90_000


@pytest.fixture(scope="module")
def api(console):
    return Api(console)


@pytest.fixture
def endpoint(api, tiny_image):
    """Make an endpoint of the tiny image with one replica; gone after the test."""
    made = []

    def make(name, said, **more):
        made.append(name)
        command = {"command": ["sh"], "args": ["-c", said]}
        size = {"min_replicas": 1, "max_replicas": 1, "visibility": "public"}
        api.create(name, tiny_image, PORT, **command, **size, **more)
        return name

    yield make
    for name in made:
        api.delete(name)


@pytest.fixture(scope="module")
def told(api, console, told_images):
    """The URL of an endpoint of the told server that is ready."""
    api.create("told", told_images[0], PORT, visibility="public")
    api.wait_for("told", Reason.RUNNING)
    yield console.endpoint_url("told")
    api.delete("told")


def docker(*words):
    done = subprocess.run(["docker", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def inspected(console, service):
    (found,) = json.loads(docker("inspect", console.container(service)))
    return found


def containers(console, name):
    """Ids of the endpoint's containers, running or not."""
    mine = ("--filter", f"label={LABEL}={console.installation}")
    its = ("--filter", f"label={ENDPOINT}={name}")
    return docker("ps", "--all", "--no-trunc", "--quiet", *mine, *its).split()


# --- how it is put together -----------------------------------------------------


def test_every_service_is_well_and_is_kept_so(console):
    for service in SERVICES:
        found = inspected(console, service)
        assert found["State"]["Health"]["Status"] == "healthy", service
        host = found["HostConfig"]
        assert host["RestartPolicy"]["Name"] == "unless-stopped", service
        assert host["LogConfig"]["Config"] == {"max-file": "5", "max-size": "10m"}
    assert inspected(console, "prepare")["State"]["ExitCode"] == 0


def test_only_the_worker_has_the_engine(console):
    have = [
        service
        for service in (*SERVICES, "prepare")
        for mount in inspected(console, service)["Mounts"]
        if mount["Source"].endswith("docker.sock")
    ]
    assert have == ["worker"]


def test_nobody_is_root_and_ours_have_no_rights_at_all(console):
    for service in SERVICES:
        text = console.run(service, "cat", "/proc/1/status")
        status = dict(line.split(":\t", 1) for line in text.splitlines())
        assert "0" not in status["Uid"].split(), service
        assert int(status["CapEff"], 16) == 0, service
        assert status["NoNewPrivs"] == "1", service
        if service in OURS:
            assert int(status["CapBnd"], 16) == 0, service
            assert inspected(console, service)["HostConfig"]["ReadonlyRootfs"]


def test_the_image_is_small_and_has_no_tools_to_build_with(console):
    assert int(docker("image", "inspect", "--format", "{{.Size}}", IMAGE)) <= BYTES
    tools = "command -v gcc cc make pip pip3 git curl || true"
    assert console.run("web", "sh", "-c", tools) == ""
    left = console.run("web", "sh", "-c", "ls /var/lib/apt/lists /var/cache/apt")
    assert left.split() == ["/var/cache/apt:", "/var/lib/apt/lists:"]


def test_the_settings_are_fit_for_the_internet(console):
    behind = ("-e", "ALIGHT_SCHEME=https", "-e", "ALIGHT_DOMAIN=gpu.example")
    check = ("check", "--deploy", "--fail-level", "WARNING")
    console.compose("exec", "-T", *behind, "web", "python", "manage.py", *check)


def test_each_line_of_a_log_is_an_object(console):
    for service in ("web", "worker", "beat"):
        for line in docker("logs", console.container(service)).splitlines():
            assert json.loads(line)["message"] is not None, line


# --- who reaches whom -------------------------------------------------------------


def test_a_replica_reaches_nothing_of_the_control_plane(console, api, endpoint):
    for service in ("postgres", "valkey", "beat"):
        found = inspected(console, service)
        assert found["HostConfig"]["NetworkMode"] == "none", service
        # Not even on its own loopback.
        assert " 0A " not in console.run(service, "cat", "/proc/net/tcp"), service
    name = endpoint("curious", LATE)
    api.wait_for(name, Reason.RUNNING)
    (replica,) = containers(console, name)
    gateway = docker(
        *("inspect", replica, "--format"),
        "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}",
    )

    def reaches(host, port):
        words = ("exec", replica, "nc", "-w", "2", host, str(port))
        done = subprocess.run(["docker", *words], stdin=subprocess.DEVNULL)
        return done.returncode == 0

    assert reaches("127.0.0.1", PORT), "nc works here"
    for place in [(gateway, console.port), (gateway, 5432), (gateway, 6379)]:
        assert not reaches(*place), place
    for service in SERVICES:
        assert not reaches(service, 5432), service
    # The rules hold, whatever listens one day.
    assert "fenced in" in console.manage("isolation")


# --- when parts are away ------------------------------------------------------------


def test_readyz_names_what_is_away_and_what_comes_back_is_used(console):
    def ready():
        answer = requests.get(f"{console.url}/readyz", timeout=60)
        parts = answer.json()["parts"]
        return answer.status_code, {k for k, said in parts.items() if said != "ok"}

    assert ready() == (200, set())
    console.compose("stop", "valkey", "postgres")
    assert ready() == (503, {"database", "migrations", "valkey"})
    assert requests.get(f"{console.url}/healthz", timeout=30).status_code == 200
    console.up()
    assert ready() == (200, set())


def test_down_and_up_in_the_middle_of_everything(context, console, api, endpoint, told):
    """A page, a socket and a stream of an endpoint are open, an endpoint is being made,
    another moves to a new container, and two requests are to be answered later."""
    # A page that was away gets the newest 500 lines: fewer than that are written.
    steady = endpoint("steady", script(10**6, 1, pause=0.5))
    moving = endpoint("moving", LATE)
    api.wait_for(steady, Reason.RUNNING)
    before = json.loads(api.wait_for(moving, Reason.RUNNING))["id"]
    page = open_signed_in(context, console)
    page.goto(f"{console.url}/endpoints/{steady}/")
    page.get_by_role("button", name="Logs", exact=True).click()
    page.get_by_text("line 1", exact=True).first.wait_for(state="attached")
    page.evaluate("window.stayed = true")

    ran = containers(console, steady) + containers(console, "told")
    (old,) = containers(console, moving)
    change = {"env_overrides": {"WAIT": WAIT}}
    assert api.call("PATCH", f"endpoint/{moving}", json=change).status_code == 200
    made = endpoint("made", LATE, env_overrides={"WAIT": WAIT})
    api.wait_for(made, Reason.STARTED)
    api.wait_for(moving, Reason.STARTED, after=before)
    seen = page.evaluate(f"({LINES})().length")
    with Talk(console, "told", "down") as talk:
        waits = taken(api, console.endpoint_url(made), method="GET")
        sent = taken(api, told + UNTIL_ENOUGH, method="GET")
        until(api, sent, "running")
        assert down(console, talk, told)[-1] == b"end"
        talk.wait_for(lambda: talk.cuts == 1)
        console.up()
        again = talk.answered
        talk.wait_for(lambda: talk.answered > again)
    # Each number is there once, at the container that was there before.
    assert talk.heard() == list(range(1, talk.answered + 1))
    assert talk.cuts == 1
    assert response(api, until(api, sent, "completed")).text.endswith("end\n")
    assert response(api, until(api, waits, "completed")).status_code == 200

    # The page goes on by itself, and has every line once, in order.
    more = f"() => ({LINES})().length > {seen + 20}"
    page.wait_for_function(more, timeout=PATIENCE)
    assert page.evaluate("window.stayed")
    (numbers,) = by_start(page.evaluate(LINES)).values()
    assert numbers == list(range(1, len(numbers) + 1))
    expect(page.locator("body")).not_to_have_class("stale")
    assert containers(console, steady) + containers(console, "told") == ran
    assert api.events(steady).count(Reason.STARTED) == 1

    # What was under way came to its end, once.
    api.wait_for(made, Reason.RUNNING)
    api.wait_for(moving, Reason.ROLLED_OUT, after=before)
    assert len(containers(console, made)) == 1
    assert api.events(made).count(Reason.STARTED) == 1
    api.wait_for(moving, Reason.STOPPED, after=before)
    (new,) = containers(console, moving)
    assert new != old
    assert api.events(moving).count(Reason.STARTED) == 2
    for name in (steady, moving, made):
        assert requests.get(console.endpoint_url(name), timeout=30).status_code == 200


# A stream that goes on until somebody says so at the endpoint's socket.
UNTIL_ENOUGH = "/stream?lines=1000000&pause=0.05&until=enough"


def down(console, talk, told):
    """Take the stack down; all lines of a stream that was open then, and that came to
    its end after the ingress had begun to take nobody new."""

    def end_it():
        while listens("127.0.0.1", console.port):
            time.sleep(0.05)
        talk.say("enough")

    with (
        requests.get(told + UNTIL_ENOUGH, stream=True, timeout=60) as answer,
        ThreadPoolExecutor() as pool,
    ):
        lines = answer.iter_lines(chunk_size=None)
        next(lines)
        rest = pool.submit(list, lines)
        ended = pool.submit(end_it)
        console.down()
        ended.result()
        return rest.result()


def test_an_update_cuts_nobody_off(console, told, tmp_path):
    """A new image takes over; the ingress that people are connected through stays."""
    label = f"alight.test: {uuid.uuid4()}"
    newer = tmp_path / "newer.yml"
    newer.write_text(f"services: {{prepare: {{build: {{labels: {{{label}}}}}}}}}\n")
    before = {service: console.container(service) for service in SERVICES}
    with Talk(console, "told", "update") as talk:
        files = f"docker-compose.yml:{newer}"
        assert "Updated." in console.script("update", COMPOSE_FILE=files)
        again = talk.answered
        talk.wait_for(lambda: talk.answered > again)
    assert talk.cuts == 0
    after = {service: console.container(service) for service in SERVICES}
    same = {service for service in SERVICES if before[service] == after[service]}
    assert same == {"postgres", "valkey", "ingress"}
    images = {inspected(console, name)["Image"] for name in ("web", "worker", "beat")}
    assert images == {docker("image", "inspect", "--format", "{{.Id}}", IMAGE)}
    assert requests.get(f"{console.url}/readyz", timeout=60).status_code == 200
