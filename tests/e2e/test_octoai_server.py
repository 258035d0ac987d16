"""What octoai-sdk serves and calls works as it is: its own server, its own client.

Both are the published package in one image: the hello-world that it scaffolds, and a
program on the host's network that uses `octoai.client.Client` as its users do.
"""

import ast
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from docker import from_env

from launcher.replicas import LABEL
from tests.api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

# As the scaffold's test_request.py, with what the SDK offers besides.
CLIENT = """
import sys
from octoai.client import Client
from octoai.errors import OctoAIClientError
url, token = sys.argv[1], sys.argv[2]
client = Client(token=token or None)
try:
    health = client.health_check(f"{url}/healthcheck", timeout=60)
    said = client.infer(f"{url}/infer", {"prompt": "Hello world!"})["output"]
except OctoAIClientError as error:
    health, said = "refused", str(error)
print((health, said))
"""
# The model is loaded once /tmp/loaded is there: tests/images.py.
SLOW = ["python", "-m", "octoai.server", "--service-module", "slow"]
SLOW += ["--service-class", "SlowService", "run"]
ASK_INSIDE = """
import httpx
answer = httpx.get("http://127.0.0.1:8080/healthcheck")
print(answer.status_code, answer.text)
"""


@pytest.fixture(scope="module")
def api(console):
    return Api(console)


@pytest.fixture
def made(api, octoai_image):
    """Make an endpoint of the image as a person would, by name; deleted afterwards."""
    names = []

    def make(name, **fields):
        api.create(name, octoai_image, 8080, health_check_path="/healthcheck", **fields)
        names.append(name)

    yield make
    for name in names:
        api.delete(name)


@pytest.fixture
def sdk(console, octoai_image):
    """Ask an endpoint with the SDK's client: `sdk(name, token)`."""
    client = from_env()

    def ask(name, token=""):
        told = client.containers.run(
            octoai_image,
            ["python", "-W", "ignore", "-c", CLIENT, console.endpoint_url(name), token],
            # Where a name below localhost leads is for each machine to say: this
            # image has no resolver module for it. A real domain needs no such line.
            extra_hosts={f"{name}.localhost": "127.0.0.1"},
            network_mode="host",
            stderr=False,
            remove=True,
        )
        return ast.literal_eval(told.decode())

    yield ask
    client.close()


def test_its_client_calls_its_server(api, made, sdk):
    made("octo", visibility="public")
    api.wait_for("octo", "HealthCheckPassed")
    api.wait_for("octo", "ReplicaRunning")
    assert sdk("octo") == (200, "Hello world!")


def test_a_private_one_wants_a_token(api, console, made, sdk):
    made("octopriv")
    api.wait_for("octopriv", "ReplicaRunning")
    health, why = sdk("octopriv")
    assert health == "refused"
    assert why.startswith("Error: 401")
    assert sdk("octopriv", console.token("sdk")) == (200, "Hello world!")


def test_it_is_not_ready_before_its_model_is(api, console, made, sdk):
    made("octoslow", visibility="public", command=SLOW)
    api.wait_for("octoslow", "WaitingForHealthCheck")
    read_until(api, "octoslow", "State.SETUP_SERVICE")
    client = from_env()
    ours = f"{LABEL}={console.installation}"
    filters = {"name": "-octoslow-", "label": ours}
    (container,) = client.containers.list(filters=filters)
    inside = container.exec_run(["python", "-c", ASK_INSIDE]).output.decode()
    assert inside.startswith("503 ")
    assert "SETUP_SERVICE" in inside
    with ThreadPoolExecutor(1) as people:
        # Its health_check is held until there is a replica to ask.
        patient = people.submit(sdk, "octoslow")
        address = f"{console.endpoint_url('octoslow')}/healthcheck"
        answer = requests.get(address, headers={"X-Alight-Wait": "0"})
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"
        assert answer.json()["error"]["code"] == "starting"
        assert "ReplicaRunning" not in api.events("octoslow")
        container.exec_run(["touch", "/tmp/loaded"])
        assert patient.result() == (200, "Hello world!")
    client.close()


def read_until(api, name, words):
    """Follow the endpoint's log until a line has these words."""
    with api.call("GET", f"logs/{name}/stream", stream=True) as answer:
        for line in answer.iter_lines():
            if words in line.decode():
                return
    raise AssertionError(f"{name} never wrote {words}")
