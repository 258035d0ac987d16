"""The two commands on real parts: up, up again, a killed process, down."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from launcher import processes
from launcher.config import ROOT
from launcher.services import is_healthy
from tests.console import new_console, remove_console
from tests.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.haproxy, pytest.mark.valkey]


@pytest.fixture(scope="module")
def fresh(docker_engine):
    made = new_console()
    yield made
    remove_console(made)


@pytest.fixture(scope="module")
def first_words(fresh):
    """What the first `make up DETACH=1` printed."""
    return fresh.launch("up", "DETACH=1")


def answer(url):
    with urllib.request.urlopen(url, timeout=10) as found:
        return found.status, found.read().decode()


def test_the_console_answers_when_make_up_returns(fresh, first_words):
    assert fresh.url in first_words
    assert answer(f"{fresh.url}/healthz")[0] == 200
    assert "Sign in" in answer(fresh.url)[1]


def test_both_loopbacks_answer(fresh, first_words):
    for address in ("127.0.0.1", "[::1]"):
        assert answer(f"http://{address}:{fresh.port}/healthz")[0] == 200


def test_a_given_password_is_shown_nowhere(fresh, first_words):
    assert "ALIGHT_ADMIN_PASSWORD" in first_words
    assert fresh.password not in first_words
    for path in fresh.home.rglob("*"):
        # What was put in another's place meanwhile has its name.
        with suppress(FileNotFoundError):
            if path.is_file():
                assert fresh.password.encode() not in path.read_bytes(), path


def test_the_given_password_signs_in(fresh, first_words):
    script = (
        "from django.contrib.auth import authenticate;"
        f"print(authenticate(username='admin', password={fresh.password!r}))"
    )
    assert fresh.manage("shell", "-v", "0", "-c", script) == "admin"


def test_a_second_make_up_says_where_it_is_and_changes_nothing(fresh, first_words):
    before = pids(fresh)
    assert f"Alight runs at {fresh.url}" in fresh.launch("up", "DETACH=1")
    assert pids(fresh) == before


def test_state_is_for_its_owner_alone(fresh, first_words):
    config = fresh.config
    for path in (config.home, config.run, config.pids, config.logs):
        assert path.stat().st_mode & 0o077 == 0, path


def test_nothing_listens_but_the_one_port(fresh, first_words):
    """Of all our processes, only HAProxy has TCP sockets that listen."""
    for name, pid in pids(fresh).items():
        held = {port for one in processes.tree(pid) for port in tcp_ports(one)}
        assert held == ({fresh.port} if name in {"haproxy", "supervisor"} else set())


def test_a_killed_process_is_started_again(fresh, first_words):
    before = pids(fresh)
    for name in ("web", "haproxy", "valkey"):
        os.kill(before[name], signal.SIGKILL)
    until(lambda: is_healthy(fresh.config))
    until(lambda: len(pids(fresh)) == len(before))
    after = pids(fresh)
    assert after["worker"] == before["worker"]
    assert all(after[name] != before[name] for name in ("web", "haproxy", "valkey"))
    log = (fresh.home / "logs" / "supervisor.log").read_text()
    assert "Web ended (SIGKILL)" in log


def test_the_doctor_finds_nothing_wrong_and_what_is(fresh, first_words):
    until(lambda: is_healthy(fresh.config))
    assert "Nothing needs mending." in fresh.launch("doctor")
    web = pids(fresh)["web"]
    os.kill(web, signal.SIGSTOP)
    try:
        began = time.monotonic()
        found = doctor(fresh)
        # It waits for nobody: its own limit, and the start of a Python.
        assert time.monotonic() - began < 60
    finally:
        os.kill(web, signal.SIGCONT)
    assert [f["check"] for f in found if f["level"] == "wrong"] == ["processes"]


def test_status_tells_what_it_uses(fresh, first_words):
    assert "valkey" in fresh.launch("status")


def test_a_taken_port_stops_it_before_anything_else(fresh):
    other = new_console()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", other.port))
        holder.listen()
        done = subprocess.run(
            ["make", "up", "DETACH=1"],
            cwd=ROOT,
            env=other.env,
            capture_output=True,
            text=True,
        )
    try:
        assert done.returncode != 0
        assert f"Port {other.port} on 127.0.0.1 is taken" in done.stderr
        assert "make up ALIGHT_PORT=" in done.stderr
        assert pids(other) == {}
    finally:
        remove_console(other)


def test_a_killed_supervisor_leaves_nothing_that_the_next_does_not_mend(
    fresh, first_words
):
    before = pids(fresh)
    os.kill(before["supervisor"], signal.SIGKILL)
    until(lambda: "supervisor" not in pids(fresh))
    words = fresh.launch("up", "DETACH=1")
    assert "left over from before" in words
    after = pids(fresh)
    assert not set(after.values()) & set(before.values())
    assert is_healthy(fresh.config)


def test_make_down_stops_exactly_what_make_up_started(fresh, first_words):
    """Last: the others need it running."""
    before = pids(fresh)
    assert len(before) == 6
    assert "Stopped. Replicas keep running" in fresh.launch("down")
    assert [pid for pid in before.values() if processes.start_time(pid)] == []
    assert pids(fresh) == {}
    assert "Nothing was running." in fresh.launch("down")


def doctor(console):
    """What it finds, as data."""
    done = subprocess.run(
        ["make", "-s", "doctor", "ARGS=--json", f"PYTHON={sys.executable}"],
        cwd=ROOT,
        env=console.env,
        stdout=subprocess.PIPE,
        text=True,
    )
    told = json.loads(done.stdout)
    assert told["ok"] is (done.returncode == 0)
    return told["findings"]


def pids(console):
    """{name: pid} of what runs."""
    folder = console.config.pids
    names = [path.stem for path in folder.glob("*.json")]
    found = {name: processes.running(folder, name) for name in names}
    return {name: record.pid for name, record in found.items() if record}


def tcp_ports(pid):
    """Ports that this process listens on; none once it has ended."""
    inodes, handles = set(), []
    with suppress(FileNotFoundError, ProcessLookupError):
        handles = list(Path(f"/proc/{pid}/fd").iterdir())
    for handle in handles:
        with suppress(FileNotFoundError, ProcessLookupError):
            inodes.add(str(handle.readlink()))
    tables = [Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6")]
    rows = [row.split() for table in tables for row in table.splitlines()[1:]]
    return {
        int(row[1].rpartition(":")[2], 16)
        for row in rows
        if row[3] == "0A" and f"socket:[{row[9]}]" in inodes
    }
