"""A whole console is kept, lost with all it had, and comes back somewhere else."""

import json
import shutil
import uuid

import pytest
import requests

from launcher.replicas import remove_replicas
from tests.api import Api
from tests.console import new_console, remove_console
from tests.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

# The first start marks the volume; later ones must find that mark.
KEEP = (
    "echo x >> /data/starts; echo start $(wc -l < /data/starts); "
    "test -f /data/first || cp /proc/sys/kernel/random/uuid /data/first; "
    'echo "$WORD" > /data/word; exec httpd -f -p 8080 -h /data'
)


def read(console, path):
    host = {"Host": f"kept.localhost:{console.port}"}
    url = f"http://127.0.0.1:{console.port}/{path}"
    return requests.get(url, headers=host, timeout=30).text.strip()


def lines(api):
    return api.call("GET", "logs/kept").json()


def test_it_comes_back_with_endpoints_secrets_logs_and_files(tiny_image, tmp_path):
    word, path = uuid.uuid4().hex, tmp_path / "kept.tar"
    before, after = new_console(), new_console()
    try:
        before.launch("up", "DETACH=1")
        api = Api(before)
        answer = api.call("POST", "secret", json={"key": "WORD", "value": word})
        assert answer.status_code == 201, answer.text
        api.create(
            "kept",
            tiny_image,
            8080,
            visibility="public",
            command=["sh", "-c", KEEP],
            container_secrets=["WORD"],
            volumes_experimental=[{"name": "files", "path": "", "mount": "/data"}],
        )
        seen = json.loads(api.wait_for("kept", "ReplicaRunning"))["id"]
        first = read(before, "first")
        assert read(before, "word") == word
        # While it runs, and its replica, too.
        before.launch("backup", f"TO={path}", "VOLUMES=1")

        before.launch("down")
        remove_replicas(before.config, volumes=True)
        shutil.rmtree(before.home)

        after.launch("restore", f"FROM={path}")
        # The token is one of the accounts that came back.
        after.cookies, after._tokens = [], dict(before._tokens)
        said = after.launch("up", "DETACH=1")
        assert "Sign in: admin, with the password it has." in said
        api = Api(after)
        # Its container was lost with the machine: the replica starts once more.
        api.wait_for("kept", "ReplicaRunning", after=seen)
        assert read(after, "first") == first
        assert read(after, "word") == word
        # The worker reads on while the replica serves already.
        starts = {"start 1", "start 2"}
        until(lambda: starts <= {line["data"] for line in lines(api)})
        assert "Nothing needs mending." in after.launch("doctor")
    finally:
        for console in (before, after):
            remove_console(console)
