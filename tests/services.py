"""Real parts for tests: Valkey, the Docker engine, a whole console."""

import asyncio
import os
import subprocess

import pytest

from launcher.config import ROOT
from launcher.engine import Answer, ping
from launcher.services import answers_ping, valkey_options, valkey_server
from tests import postgres
from tests.compose.stack import running_stack
from tests.console import running_console
from tests.environment import HOME


@pytest.fixture(scope="session")
def valkey_url():
    """A Valkey of this test run at the address that settings.ALIGHT_VALKEY_URL has."""
    path = HOME / "run" / "valkey.sock"
    data = HOME / "valkey"
    data.mkdir(mode=0o700)
    command = [valkey_server(ROOT / ".venv"), *valkey_options(path, data)]
    log = HOME / "valkey.log"
    with log.open("wb") as out, subprocess.Popen(command, stdout=out) as server:
        while not answers_ping(path):
            try:
                server.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"valkey-server ended at once:\n{log.read_text()}")
        yield f"unix://{path}"
        server.terminate()


@pytest.fixture
def valkey(valkey_url, settings):
    """The settings as in production: broker and channel layer are the real Valkey.

    Gives a client of an empty Valkey.
    """
    import redis

    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [valkey_url], "prefix": "alight"},
        }
    }
    _let_news_out()
    with redis.Redis.from_url(valkey_url, decode_responses=True) as client:
        client.flushall()
        yield client


def _let_news_out():
    """What tests before this one had to tell is told before anybody counts or listens:
    it is kept for a while where there was no Valkey yet."""
    from endpoints import live

    said = live.publisher()
    asyncio.run_coroutine_threadsafe(said._queue.join(), said._loop).result(60)


@pytest.fixture
def no_valkey(settings):
    """Nobody answers at its address: a test that sends news nobody reads is quicker.

    What keeps a connection for the whole process has the usual one again afterwards.
    """
    from endpoints import live
    from endpoints.valkey import valkey

    live.publisher()
    settings.ALIGHT_VALKEY_URL = "unix:///run/nobody.sock"
    valkey.cache_clear()
    yield
    valkey.cache_clear()


@pytest.fixture
def postgres_url():
    """The address of an empty PostgreSQL database of this test's own."""
    url = postgres.make_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="session")
def docker_engine():
    """The address of an engine that answers. Fails, never skips, when none does."""
    host = os.environ.get("ALIGHT_DOCKER_HOST", "unix:///var/run/docker.sock")
    if ping(host) is not Answer.YES:
        pytest.fail(
            f"No Docker engine answers at {host}. `make test` starts one; by hand: "
            "run dockerd as root."
        )
    return host


@pytest.fixture
def bob(people):
    """Has endpoints of his own and is shown some of Alice's."""
    return people("bob")


@pytest.fixture(scope="session")
def console(request, docker_engine):
    """A console started by `make up DETACH=1`, on a free port, in a home of its own.

    Gone after the run with all it made. It has its own database file. With --on-compose
    it is the stack of docker-compose.yml.
    """
    stack = request.config.getoption("on_compose")
    with running_stack(docker_engine) if stack else running_console() as made:
        yield made


def pytest_addoption(parser):
    parser.addoption(
        "--on-compose",
        action="store_true",
        help="only tests of a usual console, on the stack of docker-compose.yml",
    )


def pytest_collection_modifyitems(config, items):
    """A test that starts a console of another kind has another name for it."""
    if config.getoption("on_compose"):
        others = [item for item in items if "console" not in item.fixturenames]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if "console" in item.fixturenames]
