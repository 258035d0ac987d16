"""A whole console moves from SQLite to PostgreSQL while its replica runs on."""

import uuid

import pytest
import requests

from tests.api import Api
from tests.console import new_console, remove_console

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.docker,
    pytest.mark.haproxy,
    pytest.mark.postgres,
]

# Each start would say another.
SERVE = (
    "mkdir /www; cp /proc/sys/kernel/random/uuid /www/start; "
    'echo "$WORD" > /www/word; exec httpd -f -p 8080 -h /www'
)


def read(console, path):
    host = {"Host": f"moved.localhost:{console.port}"}
    url = f"http://127.0.0.1:{console.port}/{path}"
    return requests.get(url, headers=host, timeout=60).text.strip()


def test_a_replica_runs_on_and_is_found_again(tiny_image, postgres_url):
    console, word = new_console(), uuid.uuid4().hex
    console.env["ALIGHT_DATABASE_URL"] = ""
    try:
        console.launch("up", "DETACH=1")
        api = Api(console)
        api.call("POST", "secret", json={"key": "WORD", "value": word})
        api.create(
            "moved",
            tiny_image,
            8080,
            visibility="public",
            command=["sh", "-c", SERVE],
            container_secrets=["WORD"],
        )
        api.wait_for("moved", "ReplicaRunning")
        start, told = read(console, "start"), api.events("moved")
        assert read(console, "word") == word

        console.launch("down")
        console.env["ALIGHT_DATABASE_URL"] = postgres_url
        assert "Each was read back and compared." in console.manage("move_database")
        said = console.launch("up", "DETACH=1")
        assert "Sign in: admin, with the password it has." in said

        assert read(console, "start") == start
        # The token and the events are rows that moved.
        assert api.events("moved") == told
        (secret,) = api.call("GET", "secrets").json()
        assert secret["key"] == "WORD"
        # What is written now has a place among them.
        api.create("next", tiny_image, 8080, command=["sh", "-c", SERVE])
        api.wait_for("next", "ReplicaRunning")
        assert read(console, "start") == start
        assert "Nothing needs mending." in console.launch("doctor")
    finally:
        remove_console(console)
