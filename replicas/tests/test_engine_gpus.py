"""GPUs found through a real engine whose driver is a stand-in."""

from __future__ import annotations

import logging
import os
import shutil

import pytest
from docker import APIClient

from replicas.engine import finding_gpus, helpers, names, running
from replicas.engine.base import FoundGpu, GpuLost, GpuUnavailable, Wanted
from replicas.engine.docker import DockerEngine
from replicas.tests.engine_fixtures.nvidia import Driver

pytestmark = pytest.mark.docker

TWO = [FoundGpu("GPU-aa", "A10", 24), FoundGpu("GPU-bb", "H100 80GB HBM3", 80)]


@pytest.fixture(scope="module")
def driver(own_engine, tmp_path_factory):
    made = Driver(tmp_path_factory.mktemp("nvidia"))
    own_engine.look_in(made.bin)
    own_engine.start()
    return made


@pytest.fixture
def engine(driver, own_engine):
    driver.has(GPU_aa="NVIDIA A10", GPU_bb="NVIDIA H100 80GB HBM3")
    return DockerEngine(own_engine.host, "here")


@pytest.fixture
def client(engine):
    made = APIClient(engine.host, version="auto", timeout=30)
    yield made
    made.close()


def test_gpus_are_found_on_a_node_without_images(engine, own_engine):
    assert own_engine.docker("images", "--quiet") == ""
    assert engine.gpus() == TWO
    assert own_engine.containers() == {}
    assert engine.gpus() == TWO


def test_they_are_those_of_the_moment(engine, driver):
    driver.has(GPU_cc="Tesla T4")
    assert engine.gpus() == [FoundGpu("GPU-cc", "T4", 16)]
    driver.has()
    assert engine.gpus() == []


def test_a_broken_driver_proves_nothing(engine, driver, caplog):
    driver.fail("nvidia-container-cli: initialization error: driver not loaded")
    with caplog.at_level(logging.WARNING):
        assert engine.gpus() is None
    assert "NVIDIA driver does not answer" in caplog.text
    driver.mend()
    assert engine.gpus() == TWO


def test_a_gpu_without_a_name_proves_nothing(engine, driver):
    driver.has(GPU_aa="NVIDIA A10", **{"GPU-????????-????": "NVIDIA A10"})
    assert engine.gpus() is None


def test_a_driver_that_hangs_is_not_waited_for(engine, driver, own_engine, monkeypatch):
    monkeypatch.setattr(finding_gpus, "PATIENCE", 1)
    driver.hang()
    assert engine.gpus() is None
    driver.go_on()
    monkeypatch.undo()
    assert engine.gpus() == TWO
    assert own_engine.containers() == {}


def test_helpers_that_a_killed_process_left_are_removed(engine, client, own_engine):
    running.ensure_image(client)
    body = helpers.lists_gpus("here", "x86_64")
    for installation in ("here", "elsewhere"):
        labels = helpers.labels(installation, helpers.GPUS)
        client.create_container_from_config(body | {"Labels": labels}, installation)
    assert engine.gpus() == TWO
    assert list(own_engine.containers()) == ["elsewhere"]
    client.remove_container("elsewhere")


def test_helpers_are_no_replicas(engine, client):
    running.ensure_image(client)
    body = helpers.lists_gpus("here", "x86_64")
    made = client.create_container_from_config(body, "helper")
    assert engine.observe({names.INSTALLATION: "here"}) == []
    client.remove_container(made["Id"])


# --- Engines without GPUs -----------------------------------------------------
@pytest.fixture
def restarted(engine, own_engine):
    """Starts the engine anew without the hook; it has it again after the test."""

    def restart(*options) -> DockerEngine:
        own_engine.stop()
        own_engine.path = os.environ["PATH"]
        own_engine.start(*options)
        return engine

    before = own_engine.path
    yield restart
    own_engine.stop()
    own_engine.path = before
    own_engine.start()


def test_an_engine_without_the_toolkit_has_none(restarted, own_engine):
    assert restarted().gpus() == []
    assert own_engine.containers() == {}


def test_a_toolkit_that_does_not_work_proves_nothing(restarted):
    runtime = f"--add-runtime=nvidia={shutil.which('runc')}"
    assert restarted(runtime).gpus() is None


# --- Replicas with GPUs -------------------------------------------------------
@pytest.fixture
def wanted(engine, own_engine):
    made = []

    def make(**changes) -> Wanted:
        labels = names.container_labels("here", "whisper", 1, 1)
        text = "cat /proc/driver/nvidia/gpus/*/information"
        made.append(
            Wanted(
                name="alight-here-whisper-1-1",
                image=own_engine.tiny_image(),
                labels=labels,
                port=8080,
                node="",
                args=("sh", "-c", text),
                **changes,
            )
        )
        return made[-1]

    yield make
    for found in engine.observe({names.INSTALLATION: "here"}):
        engine.remove(found.id)


def test_a_replica_sees_the_gpu_it_booked(engine, client, wanted):
    made = engine.create(wanted(gpus=("GPU-bb",)))
    engine.start(made.id)
    client.wait(made.id, timeout=60)
    told = "\n".join(engine.tail(made.id, 50))
    assert "GPU-bb" in told
    assert "GPU-aa" not in told


def test_a_gpu_that_is_gone_is_said(engine, driver, wanted):
    made = engine.create(wanted(gpus=("GPU-zz",)))
    with pytest.raises(GpuLost, match="gone from the node"):
        engine.start(made.id)


def test_a_silent_driver_is_said(engine, driver, wanted):
    driver.fail("nvidia-container-cli: initialization error: driver not loaded")
    made = engine.create(wanted(gpus=("GPU-aa",)))
    with pytest.raises(GpuUnavailable, match="nvidia-smi"):
        engine.start(made.id)
