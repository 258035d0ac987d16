"""The stack is kept in one file while it runs, and comes back, in one command each."""

import uuid

import pytest
import requests

from tests.api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.haproxy]

# Each start says another; the first marks the volume.
SERVE = (
    "cp /proc/sys/kernel/random/uuid /data/start; "
    "test -f /data/first || cp /data/start /data/first; "
    "exec httpd -f -p 8080 -h /data"
)


def read(console, name, path):
    host = {"Host": f"{name}.localhost:{console.port}"}
    url = f"http://127.0.0.1:{console.port}/{path}"
    return requests.get(url, headers=host, timeout=60).text.strip()


def test_it_is_kept_and_comes_back_in_one_command_each(console, tiny_image, tmp_path):
    api, name, path = Api(console), f"kept-{uuid.uuid4().hex[:8]}", tmp_path / "b.tar"
    api.create(
        name,
        tiny_image,
        8080,
        visibility="public",
        command=["sh", "-c", SERVE],
        volumes_experimental=[{"name": name, "path": "", "mount": "/data"}],
    )
    try:
        api.wait_for(name, "ReplicaRunning")
        start, first = read(console, name, "start"), read(console, name, "first")
        told = api.events(name)
        console.script("backup", str(path), "--volumes")
        assert path.stat().st_mode & 0o077 == 0

        changed = api.call("PATCH", f"endpoint/{name}", json={"description": "later"})
        assert changed.ok, changed.text
        said = console.script("restore", str(path), "--replace")
        assert "What the database held before: schema before_" in said
        again = api.call("GET", f"endpoint/{name}").json()
        assert again["description"] == ""
        assert api.events(name)[: len(told)] == told
        # Its container ran on all the while, with its files.
        assert read(console, name, "start") == start
        assert read(console, name, "first") == first
    finally:
        api.delete(name)
