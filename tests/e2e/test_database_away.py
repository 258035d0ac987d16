"""A PostgreSQL that goes away and comes back: nobody has to start anything anew."""

import pytest
import requests
from django.conf import settings

from launcher import own_postgres, processes
from tests.api import Api
from tests.console import running_console
from tests.waiting import until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.docker,
    pytest.mark.haproxy,
    pytest.mark.postgres,
]

SECONDS = 120


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with own_postgres.running(tmp_path_factory.mktemp("own") / "log") as made:
        yield made


@pytest.fixture(scope="module")
def house(docker_engine, server):
    with running_console(ALIGHT_DATABASE_URL=server.address) as made:
        yield made


def pids(house):
    names = ("supervisor", "haproxy", "web", "worker", "beat")
    return {name: processes.running(house.config.pids, name) for name in names}


def test_it_goes_on_by_itself(house, server, tiny_image):
    api = Api(house)
    serving = (
        "mkdir -p /www; echo here > /www/index.html; exec httpd -f -p 8080 -h /www"
    )
    words = {"command": ["sh"], "args": ["-c", serving], "visibility": "public"}
    api.create("art", tiny_image, 8080, **words)
    api.wait_for("art", "ReplicaRunning")
    before = pids(house)
    assert all(before.values())

    somebody = {settings.SESSION_COOKIE_NAME: "a" * 32}
    server.stop()
    page = requests.get(f"{house.url}/endpoints/", cookies=somebody, timeout=SECONDS)
    told = api.call("GET", "endpoints")
    # People at an endpoint notice nothing.
    seen = requests.get(house.endpoint_url("art"), timeout=SECONDS)
    # One round of the worker's at least meets a server that is away.
    until(
        lambda: "psycopg" in (house.home / "logs" / "worker.log").read_text(), SECONDS
    )
    server.start()

    assert seen.text == "here\n"
    assert told.status_code == 503
    assert told.json()["error"]["code"] == "database_away"
    assert page.status_code == 503
    assert "The console’s database does not answer" in page.text
    until(lambda: api.call("GET", "endpoints").status_code == 200, SECONDS)
    # The worker takes up what people ask for, and beat what nobody asked for.
    paused = {"endpoint_state": "disabled"}
    assert api.call("PATCH", "endpoint/art", json=paused).status_code == 200
    until(lambda: not api.call("GET", "endpoint/art").json()["replicas"], SECONDS)
    assert pids(house) == before
