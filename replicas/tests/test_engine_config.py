"""What the engine is asked to make."""

from dataclasses import replace

import pytest

from replicas.engine import config, names
from replicas.engine.base import EngineRefused, Wanted

WANTED = Wanted(
    name="alight-ab12-whisper-1-1",
    image="app:1",
    labels=names.container_labels("ab12", "whisper", 1, 1),
    port=3000,
    node="vm",
    env={"MODEL": "large"},
)


def made(**changes):
    wanted = replace(WANTED, **changes)
    return config.container_config(wanted, network="alight-ab12", cores=8)


def test_no_limits_are_set_that_nobody_asked_for():
    host = made()["HostConfig"]
    assert not {"Memory", "NanoCpus", "ShmSize", "DeviceRequests"} & host.keys()


def test_every_container_is_held_safe():
    body = made()
    host = body["HostConfig"]
    assert host["Init"] is True
    assert host["RestartPolicy"] == {"Name": "no"}
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["CapDrop"] == ["NET_RAW"]
    assert host["PidsLimit"] == 4096
    assert host["LogConfig"]["Config"]["max-size"]
    assert host["NetworkMode"] == "alight-ab12"
    assert "Privileged" not in host
    assert "PortBindings" not in host
    assert body["Healthcheck"] == {"Test": ["NONE"]}


def test_memory_is_not_swapped():
    host = made(memory_mb=64)["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == 64 * 1024 * 1024


@pytest.mark.parametrize(("asked", "given"), [(0.5, 0.5), (4, 4), (99, 8)])
def test_cores_are_capped_to_what_the_node_has(asked, given):
    assert made(cores=asked)["HostConfig"]["NanoCpus"] == given * 1_000_000_000


def test_gpus_go_by_uuid():
    host = made(gpus=("GPU-1", "GPU-2"))["HostConfig"]
    (request,) = host["DeviceRequests"]
    assert request["DeviceIDs"] == ["GPU-1", "GPU-2"]
    assert request["Capabilities"] == [["gpu"]]


def test_without_gpus_the_container_sees_none():
    assert "NVIDIA_VISIBLE_DEVICES=void" in made()["Env"]
    wanting_all = {"NVIDIA_VISIBLE_DEVICES": "all"}
    assert made(env=wanting_all)["Env"] == ["NVIDIA_VISIBLE_DEVICES=void"]


def test_with_gpus_the_runtime_decides_what_it_sees():
    assert made(gpus=("GPU-1",))["Env"] == ["MODEL=large"]


def test_command_and_arguments():
    assert not {"Entrypoint", "Cmd"} & made().keys()
    assert made(args=("a",))["Cmd"] == ["a"]
    assert "Entrypoint" not in made(args=("a",))
    body = made(command=("run",))
    assert (body["Entrypoint"], body["Cmd"]) == (["run"], [])


def test_volumes_carry_their_owners_label():
    (mount,) = made(volumes=(("v", "/data"),))["HostConfig"]["Mounts"]
    assert (mount["Source"], mount["Target"]) == ("v", "/data")
    assert mount["VolumeOptions"]["Labels"] == {"alight.installation": "ab12"}


# --- Network ------------------------------------------------------------------
def test_replicas_do_not_reach_one_another():
    body = config.network_config("ab12", "10.213.0.0/22")
    assert body["Options"]["com.docker.network.bridge.enable_icc"] == "false"
    assert body["Labels"] == {"alight.installation": "ab12"}


@pytest.mark.parametrize(
    ("taken", "free"),
    [
        ([], "10.213.0.0/22"),
        (["172.17.0.0/16", "fd00::/64"], "10.213.0.0/22"),
        (["10.213.0.0/22"], "10.213.4.0/22"),
        (["10.213.2.0/24", "10.213.7.1/32"], "10.213.8.0/22"),
    ],
)
def test_a_subnet_that_nobody_uses(taken, free):
    assert config.free_subnet(taken) == free


def test_no_subnet_is_left():
    with pytest.raises(EngineRefused, match="docker network prune"):
        config.free_subnet(["10.0.0.0/8"])


def test_routes_of_the_host_count_but_not_the_default():
    table = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n"
        "eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\n"
        "vpn0\t0000D50A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\n"
    )
    assert config.routed_subnets(table) == ["10.213.0.0/255.255.0.0"]
