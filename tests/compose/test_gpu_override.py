"""docker-compose.gpu.yml on an engine with NVIDIA's hook, without a GPU behind it."""

import shutil

import pytest

from replicas.tests.engine_fixtures.nvidia import Driver
from tests.compose.stack import fail_without_compose, new_stack

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

ONE, TWO = "GPU-0001-aaaa", "GPU-0002-bbbb"
SAY = """
echo ${NVIDIA_VISIBLE_DEVICES:-none} ${NVIDIA_DRIVER_CAPABILITIES:-none}
cat /proc/driver/nvidia/gpus/*/information 2>/dev/null | busybox grep UUID
true"""


@pytest.fixture
def stack(own_engine, tmp_path, monkeypatch):
    """One whose containers are of the tiny image: only what surrounds them is asked."""
    fail_without_compose()
    driver = Driver(tmp_path / "nvidia")
    driver.has(**{uuid.replace("-", "_"): "NVIDIA A10" for uuid in (ONE, TWO)})
    own_engine.look_in(driver.bin)
    own_engine.start()
    monkeypatch.setenv("ALIGHT_DOCKER_HOST", own_engine.host)
    made = new_stack()
    made.env["ALIGHT_IMAGE"] = own_engine.tiny_image()
    made.env["COMPOSE_FILE"] = "docker-compose.yml:docker-compose.gpu.yml"
    yield made
    made.compose("down", "--volumes")
    shutil.rmtree(made.home)


def told(stack, service):
    """What a container of this service has of GPUs: words, and UUIDs it sees."""
    run = ("run", "--rm", "--no-deps", "-T", service, "sh", "-c", SAY)
    words, *rows = stack.compose(*run).splitlines()
    return words, [row.split()[-1] for row in rows]


def test_the_worker_sees_all_gpus_to_read_and_nobody_else_does(stack):
    assert told(stack, "worker") == ("all utility", [ONE, TWO])
    assert told(stack, "web") == ("none none", [])
