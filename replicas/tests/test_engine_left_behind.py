"""What an engine that is killed in the middle of a start leaves, and that it goes."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from replicas.engine import left_behind, names, running
from replicas.engine.base import EngineError, EngineRefused, EngineUnreachable, Wanted
from replicas.engine.docker import DockerEngine
from replicas.engine.errors import LeftBehind
from tests.waiting import until

RUNTIME = """\
#!/bin/sh
if [ -e "{home}/hold" ]; then
  case " $* " in *" start "*)
    : > "{home}/held"
    while [ -e "{home}/hold" ]; do sleep 0.05; done
    exit 1
  esac
fi
exec runc "$@"
"""
LIVE = "--live-restore"


class Runtime:
    """runc, which can be held where the container is made and not started."""

    def __init__(self, home):
        self.home = home
        self.program = home / "runtime"
        self.program.write_text(RUNTIME.format(home=home))
        self.program.chmod(0o755)

    @property
    def options(self):
        known = ("--add-runtime", f"held={self.program}", "--default-runtime", "held")
        return (LIVE, *known)

    def hold(self):
        (self.home / "hold").touch()

    def holds(self):
        return (self.home / "held").exists()

    def go_on(self):
        (self.home / "hold").unlink()


@pytest.fixture
def runtime(own_engine, tmp_path):
    made = Runtime(tmp_path)
    own_engine.start(*made.options)
    own_engine.tiny_image()
    yield made
    for name in own_engine.containers():
        own_engine.docker("rm", "--force", name)
    own_engine.stop()


@pytest.fixture
def engine(own_engine):
    return DockerEngine(own_engine.host, "here")


def wanted(number):
    return Wanted(
        name=names.container_name("here", "whisper", number, 1),
        image="alight-test/own:1",
        labels=names.container_labels("here", "whisper", number, 1),
        port=8080,
        node="",
        command=("httpd",),
        args=("-f", "-p", "8080", "-h", "/www"),
    )


def processes_of(container_id):
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if container_id in (place / "cgroup").read_text():
                found.append(int(place.name))
        except OSError:
            continue
    return sorted(found)


def answers(address):
    try:
        socket.create_connection((address, 8080), timeout=2).close()
    except OSError:
        return False
    return True


@pytest.fixture
def left(runtime, engine, own_engine):
    """The id of a container whose start the engine did not survive."""
    made = engine.create(wanted(1))
    runtime.hold()
    told = []

    def start():
        try:
            engine.start(made.id)
        except EngineError as error:
            told.append(error)

    starting = threading.Thread(target=start)
    starting.start()
    until(runtime.holds)
    own_engine.crash()
    runtime.go_on()
    starting.join()
    assert isinstance(told[0], EngineUnreachable)
    own_engine.start(*runtime.options)
    return made.id


@pytest.mark.docker
def test_nothing_stays_of_a_start_that_its_engine_did_not_survive(left, engine):
    (seen,) = engine.observe({})
    assert (seen.created, seen.address) == (True, "")
    assert processes_of(left)
    with pytest.raises(LeftBehind, match="was killed while it started"):
        engine.start(left)
    engine.remove(left)
    assert processes_of(left) == []
    after = engine.create(wanted(2))
    address = engine.start(after.id).address
    until(lambda: answers(address))


@pytest.mark.docker
def test_one_that_was_never_started_is_removed_and_nobody_is_hurt(
    runtime, engine, own_engine
):
    beside, made = engine.create(wanted(3)), engine.create(wanted(4))
    engine.start(beside.id)
    # Its init and its server, which has one more for every question: so none is asked.
    until(lambda: len(processes_of(beside.id)) == 2)
    alive = processes_of(beside.id)
    engine.remove(made.id)
    assert processes_of(beside.id) == alive
    assert list(own_engine.containers()) == [beside.name]


@pytest.mark.docker
def test_an_engine_that_refuses_the_helper_still_removes(
    left, engine, caplog, monkeypatch
):
    def refuse(*words, **more):
        raise EngineRefused("rootless")

    monkeypatch.setattr(running, "to_end", refuse)
    engine.remove(left)
    assert engine.observe({}) == []
    assert "could not be ended: rootless" in caplog.text


@pytest.mark.docker
def test_a_helper_holds_no_network_of_a_container(runtime, engine):
    """Left by a killed engine it would hold their addresses."""
    made = engine.create(wanted(5))
    engine.start(made.id)
    assert " nsfs " in Path("/proc/self/mountinfo").read_text()
    mounts = engine.in_network("cat /proc/self/mountinfo")
    assert " /host/usr " in mounts
    assert " nsfs " not in mounts


STATES = [
    ("created", "", True),
    ("created", "id already in use", True),
    ("created", "task 4f2a: already exists", True),
    ("created", 'exec: "nope": executable file not found in $PATH: unknown', False),
    ("running", "", False),
    ("exited", "", False),
]


@pytest.mark.parametrize(("status", "error", "suspected"), STATES)
def test_who_is_suspected(status, error, suspected):
    attrs = {"State": {"Status": status, "Error": error}}
    assert left_behind.is_suspected(attrs) is suspected
