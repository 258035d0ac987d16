"""The console's own disk is full: it says so, endpoints go on, and it mends itself."""

import os
import subprocess
from contextlib import suppress

import pytest
import requests

from launcher.install import as_root
from tests.api import Api
from tests.console import new_console, remove_console
from tests.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.sqlite]

SERVER = {"command": ["httpd"], "args": ["-f", "-p", "8080", "-h", "/www"]}


@pytest.fixture
def small(docker_engine):
    """A console whose home is a disk of its own, as small as `make up` takes it."""
    made = new_console()
    _root("mount", "-t", "tmpfs", "-o", "size=360m,mode=700", "tmpfs", str(made.home))
    _root("chown", f"{os.getuid()}", str(made.home))
    try:
        made.launch("up", "DETACH=1")
        yield made
    finally:
        (made.home / "filler").unlink(missing_ok=True)
        try:
            remove_console(made)
        finally:
            _root("umount", "-l", str(made.home))
            made.home.rmdir()


def test_a_full_disk_is_said_and_passes(small, tiny_image):
    api = Api(small)
    api.create("art", tiny_image, 8080, visibility="public", **SERVER)
    api.wait_for("art", "ReplicaRunning")
    before = api.events("art")
    fill(small.home / "filler")
    refused = first_refused(api)
    assert refused.status_code == 507, refused.text
    assert "ALIGHT_HOME" in refused.json()["error"]["message"]
    assert reached(small)
    assert "is full" in small.launch("status")

    (small.home / "filler").unlink()
    changed = api.call("PATCH", "endpoint/art", json={"max_replicas": 2})
    assert changed.status_code == 200, changed.text
    assert api.events("art")[: len(before)] == before
    assert "is full" not in small.launch("status")
    # Its processes are those of before, and do their work.
    api.call("PATCH", "endpoint/art", json={"min_replicas": 2})
    until(lambda: api.events("art").count("ReplicaRunning") == 2, 90)
    assert "Starting again" not in (small.home / "logs" / "supervisor.log").read_text()


def fill(path):
    """Until nothing fits any more; what little is freed meanwhile, too."""
    with path.open("wb", buffering=0) as out, suppress(OSError):
        while out.write(b"x" * 1_000_000):
            continue
    with path.open("ab", buffering=0) as out, suppress(OSError):
        while out.write(b"x" * 512):
            continue


def first_refused(api):
    """The first change that finds no room: others may still fit into what SQLite has of
    its log of changes, a thousand pages."""
    for number in range(500):
        fields = {"max_replicas": 2 + number % 2}
        answer = api.call("PATCH", "endpoint/art", json=fields)
        if answer.status_code != 200:
            return answer
    raise AssertionError("500 changes found room on a full disk")


def reached(console):
    host = {"Host": f"art.localhost:{console.port}"}
    url = f"http://127.0.0.1:{console.port}/"
    return requests.get(url, headers=host, timeout=60).status_code == 200


def _root(*words):
    subprocess.run([*as_root(f"sudo {words[0]}"), *words], check=True)
