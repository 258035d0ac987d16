"""GPUs of a real engine: who gets which, what a container is given, and fifty clones
that share eight while everything is killed around them.

The engine gives GPUs as it does with NVIDIA's toolkit, only that there is no device.
"""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from docker.errors import DockerException
from requests import RequestException

from replicas.engine import names
from tests.api import Api
from tests.console import running_console
from tests.rows import rows

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.haproxy]

GPUS = [f"GPU-{n}e57-0000" for n in range(8)]
MIB = 1024 * 1024
IMAGE = "alight-test/own:1"
SERVER = {"command": ["httpd"], "args": ["-f", "-p", "8080", "-h", "/www"]}
TIERS = """
from templates_app.models import Tier
for count in (1, 2):
    Tier.objects.create(slug=f"a10x{count}", name=f"A10 x {count}", gpu_model="A10",
        gpus=count, gpu_memory_gb=24, cores=0.5, memory_mb=64, shm_mb=16, edited=True)
"""
# Seconds for all fifty; far more than they take.
LONG = 400


@pytest.fixture(scope="module")
def fleet(own_engine, tmp_path_factory):
    """A console on an engine of its own with eight GPUs."""
    # An engine has the driver "nvidia" when it finds a hook of this name.
    hook = tmp_path_factory.mktemp("nvidia") / "nvidia-container-runtime-hook"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    own_engine.look_in(hook.parent)
    own_engine.start("--live-restore")
    own_engine.tiny_image()
    with running_console(
        ALIGHT_DOCKER_HOST=own_engine.host,
        ALIGHT_GPUS=",".join(f"{uuid}=A10:24" for uuid in GPUS),
        ALIGHT_STOP_GRACE="2",
        ALIGHT_DRAIN_SECONDS="1",
        ALIGHT_SWEEP_SECONDS="3",
    ) as made:
        made.manage("shell", "-c", TIERS)
        yield made


@pytest.fixture(scope="module")
def api(fleet):
    return Api(fleet)


@pytest.fixture
def ready(api, own_engine):
    """Make an endpoint of this tier that is ready; its container as inspected."""
    made = []

    def make(name, tier):
        made.append(name)
        api.create(name, IMAGE, 8080, instance_type=tier, **SERVER)
        api.wait_for(name, "ReplicaRunning")
        (label,) = [n for n in own_engine.containers() if f"-{name}-" in n]
        return json.loads(own_engine.docker("inspect", label))[0]

    yield make
    for name in made:
        api.delete(name)


def inside(engine, seen, script):
    return engine.docker("exec", seen["Id"], "sh", "-c", script)


def visible(engine, seen):
    """NVIDIA_VISIBLE_DEVICES as its first process has it."""
    text = inside(engine, seen, "cat /proc/1/environ")
    env = dict(pair.split("=", 1) for pair in text.split("\0") if pair)
    return env["NVIDIA_VISIBLE_DEVICES"]


def device_ids(seen):
    requests = seen["HostConfig"]["DeviceRequests"] or []
    return [uuid for request in requests for uuid in request["DeviceIDs"]]


# --- what a container is given ----------------------------------------------------


def test_a_container_has_exactly_its_gpus(ready, fleet, own_engine):
    one, two = ready("one", "a10x1"), ready("two", "a10x2")
    assert [len(device_ids(one)), len(device_ids(two))] == [1, 2]
    booked = rows(
        fleet,
        "select r.container_id, g.uuid from replicas_gpu g"
        " join replicas_replica r on r.id = g.replica_id",
    )
    assert sorted(booked) == sorted(
        (seen["Id"], uuid) for seen in (one, two) for uuid in device_ids(seen)
    )
    for seen in (one, two):
        assert set(visible(own_engine, seen).split(",")) == set(device_ids(seen))


def test_a_container_without_a_gpu_sees_none(ready, own_engine):
    seen = ready("cpu", "cpu")
    assert device_ids(seen) == []
    assert visible(own_engine, seen) == "void"


def test_the_limits_of_its_tier_hold_in_the_container(ready, own_engine):
    seen = ready("limits", "a10x1")

    def limit(version_1, version_2):
        places = f"cat {version_1} 2>/dev/null || cat {version_2}"
        return inside(own_engine, seen, f"cd /sys/fs/cgroup; {places}").split()

    memory = limit("memory/memory.limit_in_bytes", "memory.max")
    assert memory == [str(64 * MIB)]
    quota = limit("cpu/cpu.cfs_quota_us", "cpu.max")[0]
    assert int(quota) / 100_000 == 0.5
    assert limit("pids/pids.max", "pids.max") == ["4096"]
    shm = inside(own_engine, seen, "busybox df -k /dev/shm | busybox tail -n 1").split()
    assert int(shm[1]) * 1024 == 16 * MIB
    log = seen["HostConfig"]["LogConfig"]
    assert log == {
        "Type": "json-file",
        "Config": {"max-size": "128m", "max-file": "2"},
    }


# --- fifty clones -----------------------------------------------------------------


# A replica has its GPUs from "assigned" on until nothing of it is left.
HELD = """
    select r.id, r.state, count(g.uuid) from replicas_replica r
    left join replicas_gpu g on g.replica_id = r.id group by 1, 2"""
ASSIGNED = """
    select replica_id from endpoints_event where reason = 'HardwareAssigned'
    order by id"""
READY = """
    select e.name from endpoints_endpoint e join replicas_replica r
    on r.endpoint_id = e.id where r.state = 'ready' order by r.id"""


class Watcher:
    """Looks at rows and containers all the time.

    wrong: what no moment may ever show. looks: how often it saw the containers. most:
    how many GPUs were in use at once. assigned: replicas as they got their hardware.
    """

    def __init__(self, console, engine):
        self.console, self._client = console, engine.client()
        self.wrong, self.looks, self.most, self.assigned = [], 0, 0, []
        self._given = {}
        self._over = threading.Event()

    @contextmanager
    def watching(self):
        with ThreadPoolExecutor(1) as pool:
            looking = pool.submit(self._run)
            try:
                yield self
            finally:
                self._over.set()
                looking.result()
                self._client.close()

    def _run(self):
        while not self._over.wait(0.1):
            self._look_at_rows()
            # The engine is away at times; `looks` shows that it was seen.
            with suppress(DockerException, RequestException):
                self._look_at_containers()

    def _look_at_rows(self):
        for replica, state, held in rows(self.console, HELD):
            if state != "stopping" and held != (state not in ("waiting", "stopped")):
                self.wrong.append(f"replica {replica} is {state} and holds {held}")
        # Their endpoints take them along, so they are kept here.
        for (replica,) in rows(self.console, ASSIGNED):
            if replica not in self.assigned:
                self.assigned.append(replica)

    def _look_at_containers(self):
        owners = {}
        for one in self._containers():
            for uuid in one["gpus"]:
                owners.setdefault(uuid, []).append(one["name"])
        self.looks += 1
        self.most = max(self.most, len(owners))
        self.wrong += [f"{u}: {o}" for u, o in owners.items() if len(o) > 1]

    def _containers(self):
        client = self._client
        for one in client.containers(all=True, filters={"label": names.REPLICA}):
            # Its process has ended, and the engine is taking it away.
            if one["State"] == "removing":
                continue
            if one["Id"] not in self._given:
                seen = client.inspect_container(one["Id"])
                self._given[one["Id"]] = device_ids(seen)
            yield {"name": one["Names"][0], "gpus": self._given[one["Id"]]}


def clone(api, name):
    api.create(name, IMAGE, 8080, instance_type="a10x1", **SERVER)


def breaks(console, engine):
    """What is done when so many were served."""

    def restart():
        engine.stop()
        engine.start("--live-restore")

    def crash():
        engine.crash()
        engine.start("--live-restore")

    return {
        4: lambda: console.kill("worker"),
        11: restart,
        19: lambda: console.kill("valkey"),
        26: lambda: console.kill("worker"),
        34: crash,
        41: lambda: console.kill("beat"),
    }


def told(console, engine):
    """Why it goes on for so long: every replica, every container, the logs' ends."""
    replicas = rows(
        console,
        "select e.name, r.id, r.state, r.address, r.trouble_text"
        " from replicas_replica r join endpoints_endpoint e on e.id = r.endpoint_id"
        " where r.state <> 'stopped' order by r.id",
    )
    with suppress(AssertionError):
        replicas += list(engine.containers().items())
    return "\n".join([*map(str, replicas), console.logs()])


def nothing_is_left(console, engine):
    """Wait until no endpoint is there and no container; then no GPU has a holder."""
    patience = time.monotonic() + LONG
    while rows(console, "select 1 from endpoints_endpoint") or engine.containers():
        assert time.monotonic() < patience, told(console, engine)
        time.sleep(0.1)
    held = rows(console, "select present, replica_id from replicas_gpu")
    assert held == [(1, None)] * len(GPUS)


def test_fifty_clones_share_eight_gpus_through_every_restart(fleet, own_engine, api):
    nothing_is_left(fleet, own_engine)
    todo = breaks(fleet, own_engine)
    clones = [f"clone-{number:02}" for number in range(50)]
    served = []
    patience = time.monotonic() + LONG
    with Watcher(fleet, own_engine).watching() as watcher:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: clone(api, name), clones))
        while len(served) < len(clones):
            assert time.monotonic() < patience, told(fleet, own_engine)
            for (name,) in rows(fleet, READY):
                if name not in served:
                    served.append(name)
                    assert api.delete(name) == 204
                    todo.pop(len(served), lambda: None)()
            time.sleep(0.05)
        nothing_is_left(fleet, own_engine)
    assert watcher.wrong == []
    assert watcher.looks > len(clones)
    assert watcher.most == len(GPUS)
    assert todo == {}
    # Those whose turn it is at the same moment may be booked in any order.
    line = sorted(watcher.assigned)
    assert len(line) == len(clones)
    early = [watcher.assigned.index(one) - line.index(one) for one in line]
    assert max(map(abs, early)) < len(GPUS)
