"""A GPU that goes away while it is used, on a real engine: found, told, replaced."""

import json

import pytest

from replicas.tests.engine_fixtures.nvidia import Driver
from tests.api import Api
from tests.console import running_console
from tests.rows import rows

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.haproxy]

IMAGE = "alight-test/own:1"
SERVER = {"command": ["httpd"], "args": ["-f", "-p", "8080", "-h", "/www"]}
TIER = """
from templates_app.models import Tier
Tier.objects.create(slug="a10x1", name="A10", gpu_model="A10", gpus=1,
    gpu_memory_gb=24, cores=0.5, memory_mb=64, edited=True)
"""
ONE, TWO = "GPU-0001-aaaa", "GPU-0002-bbbb"


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    made = Driver(tmp_path_factory.mktemp("nvidia"))
    has(made, ONE, TWO)
    return made


@pytest.fixture(scope="module")
def house(own_engine, driver):
    """A console that finds its GPUs by itself, on an engine of its own."""
    own_engine.look_in(driver.bin)
    own_engine.start("--live-restore")
    own_engine.tiny_image()
    with running_console(
        ALIGHT_DOCKER_HOST=own_engine.host,
        ALIGHT_STOP_GRACE="2",
        ALIGHT_DRAIN_SECONDS="1",
        ALIGHT_SWEEP_SECONDS="3",
    ) as made:
        made.manage("shell", "-c", TIER)
        yield made


def has(driver, *uuids):
    driver.has(**{uuid.replace("-", "_"): "NVIDIA A10" for uuid in uuids})


def look_again(house):
    """A worker that starts looks at once; the old one would within a minute."""
    house.kill("worker")


def gpus(house):
    """{uuid: (present, number of the replica that holds it)}"""
    query = (
        "select g.uuid, g.present, r.number from replicas_gpu g"
        " left join replicas_replica r on r.id = g.replica_id"
    )
    found = rows(house, query)
    return {uuid: (bool(present), number) for uuid, present, number in found}


def given(engine, name):
    """GPUs of the endpoint's containers, by container."""
    found = {}
    for label in engine.containers():
        if f"-{name}-" in label:
            (seen,) = json.loads(engine.docker("inspect", label))
            (asked,) = seen["HostConfig"]["DeviceRequests"]
            found[label] = asked["DeviceIDs"]
    return found


def last_id(api, name):
    return api.call("GET", f"events/{name}").json()[-1]["id"]


def test_a_lost_gpu_is_told_its_replica_replaced_and_never_booked_again(
    house, own_engine, driver
):
    api = Api(house)
    api.create("art", IMAGE, 8080, instance_type="a10x1", **SERVER)
    api.wait_for("art", "ReplicaRunning")
    ((old, [lost]),) = given(own_engine, "art").items()
    assert lost in (ONE, TWO)
    left = TWO if lost == ONE else ONE
    seen = last_id(api, "art")

    has(driver, left)
    look_again(house)
    told = json.loads(api.wait_for("art", "GpuLost", after=seen))
    assert "stopped reporting" in told["event"]["details"]
    api.wait_for("art", "ReplicaRunning", after=seen)
    api.wait_for("art", "ReplicaStopped", after=seen)
    containers = given(own_engine, "art")
    assert list(containers.values()) == [[left]]
    assert old not in containers
    assert gpus(house) == {lost: (False, None), left: (True, 2)}

    # With one GPU left, the next one waits, whatever the database knew once.
    api.create("chat", IMAGE, 8080, instance_type="a10x1", **SERVER)
    api.wait_for("chat", "WaitingForHardware")
    assert "HardwareAssigned" not in api.events("chat")

    has(driver, lost, left)
    look_again(house)
    api.wait_for("chat", "ReplicaRunning")
    assert given(own_engine, "chat").popitem()[1] == [lost]
