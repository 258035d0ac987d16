"""Everything of the console ends and comes back; people on an endpoint notice nothing.

Docker, HAProxy and all processes are real; a websocket and a stream through the ingress
are open meanwhile.
"""

import os
import signal
import threading
from contextlib import contextmanager
from socket import create_connection

import pytest
import requests
from websockets.sync.client import connect

from launcher import processes
from tests.api import Api
from tests.console import running_console
from tests.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.haproxy]


@pytest.fixture(scope="module")
def restarted(docker_engine):
    with running_console() as made:
        yield made


@pytest.fixture(scope="module")
def art(restarted, told_images):
    """An endpoint of the told server that is ready; its host and port."""
    api = Api(restarted)
    api.create("art", told_images[0], 8080, visibility="public")
    api.wait_for("art", "ReplicaRunning")
    return f"art.localhost:{restarted.port}"


@pytest.fixture
def socket(art):
    """An open websocket: `socket(word)` sends it and returns what came back."""
    port = art.rpartition(":")[2]
    # By address: where a name below localhost leads is for each machine to say.
    raw = create_connection(("127.0.0.1", int(port)))
    with connect(f"ws://{art}/socket", sock=raw) as link:

        def echo(word):
            link.send(word)
            return link.recv(timeout=30).rpartition(" ")[2]

        assert echo("hello") == "hello"
        yield echo
        assert echo("goodbye") == "goodbye"


@contextmanager
def stream(console, art):
    """Lines of a stream that is read all the while; whole at the end, or it fails."""
    lines, over = [], threading.Event()
    url = f"http://127.0.0.1:{console.port}/stream?lines=100000&pause=0.02"

    def read():
        with requests.get(url, headers={"Host": art}, stream=True, timeout=30) as found:
            for line in found.iter_lines(chunk_size=None):
                lines.append(int(line.rpartition(b" ")[2]))
                if over.is_set():
                    return

    reader = threading.Thread(target=read)
    reader.start()
    yield lines
    seen = len(lines)
    over.set()
    reader.join(30)
    assert not reader.is_alive()
    assert len(lines) > seen, "it broke off"
    assert lines == list(range(1, len(lines) + 1))


def pids(console):
    names = [path.stem for path in console.config.pids.glob("*.json")]
    found = {name: processes.running(console.config.pids, name) for name in names}
    return {name: record.pid for name, record in found.items() if record}


def test_each_process_is_killed_and_open_connections_stay(restarted, art, socket):
    with stream(restarted, art):
        for name in ("web", "worker", "valkey", "beat"):
            restarted.kill(name)
            restarted.wait_for(name)
            assert socket(name) == name
            url = f"http://127.0.0.1:{restarted.port}/"
            assert requests.get(url, headers={"Host": art}, timeout=60).ok


def test_a_restart_takes_over_new_code_and_cuts_nobody_off(restarted, art, socket):
    before = pids(restarted)
    with stream(restarted, art):
        assert "Restarted." in restarted.launch("restart")
    after = pids(restarted)
    same = {name for name in before if before[name] == after.get(name)}
    assert same == {"supervisor", "haproxy"}
    assert len(after) == len(before)
    assert "Nothing needs mending." in restarted.launch("doctor")


def test_the_supervisor_is_killed_and_open_connections_stay(restarted, art, socket):
    """Last: nothing is started again until the next make up."""
    found = processes.running(restarted.config.pids, "supervisor")
    with stream(restarted, art):
        os.kill(found.pid, signal.SIGKILL)
        until(lambda: not processes.alive(found))
        assert socket("alone") == "alone"
