"""The engine's own form of what is wanted. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from replicas.engine import names
from replicas.engine.base import EngineRefused, Wanted

MIB = 1024 * 1024
# A fork bomb ends here, a busy web server does not.
PIDS = 4096
# The console keeps its own copy; this is what a break of the follower can catch up on.
LOG_SIZE, LOG_FILES = "128m", "2"
# Room for about a thousand replicas each, in a corner that others seldom use.
_SUBNETS = ipaddress.ip_network("10.213.0.0/16")
_SUBNET_PREFIX = 22


def container_config(wanted: Wanted, *, network: str, cores: int) -> dict[str, Any]:
    """Body of the create call. `cores` is what the node has, the most one may ask."""
    env = dict(wanted.env)
    if not wanted.gpus:
        # Images made for CUDA ask for all GPUs by default.
        env["NVIDIA_VISIBLE_DEVICES"] = "void"
    config: dict[str, Any] = {
        "Image": wanted.image,
        "Env": [f"{name}={value}" for name, value in env.items()],
        "Labels": wanted.labels,
        # Alight asks by itself; an image's own check would only cost time.
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _host_config(wanted, network, cores),
        "NetworkingConfig": {"EndpointsConfig": {network: {}}},
    }
    if wanted.command:
        config["Entrypoint"] = list(wanted.command)
    if wanted.args or wanted.command:
        # A new entrypoint without arguments must not get the image's own.
        config["Cmd"] = list(wanted.args)
    return config


def _host_config(wanted: Wanted, network: str, cores: int) -> dict[str, Any]:
    host: dict[str, Any] = {
        "Init": True,
        "NetworkMode": network,
        "RestartPolicy": {"Name": "no"},
        "SecurityOpt": ["no-new-privileges"],
        # Whoever writes raw packets can answer for a neighbour's address.
        "CapDrop": ["NET_RAW"],
        "PidsLimit": PIDS,
        "LogConfig": {
            "Type": "json-file",
            "Config": {"max-size": LOG_SIZE, "max-file": LOG_FILES},
        },
        "Mounts": [_mount(wanted, name, path) for name, path in wanted.volumes],
    }
    if wanted.memory_mb:
        # Swap on top of memory would only make running out slower.
        host["Memory"] = host["MemorySwap"] = wanted.memory_mb * MIB
    if wanted.cores:
        host["NanoCpus"] = int(min(wanted.cores, cores) * 1_000_000_000)
    if wanted.shm_mb:
        host["ShmSize"] = wanted.shm_mb * MIB
    if wanted.gpus:
        host["DeviceRequests"] = [
            {
                "Driver": "nvidia",
                "DeviceIDs": list(wanted.gpus),
                "Capabilities": [["gpu"]],
            }
        ]
    return host


def _mount(wanted: Wanted, name: str, path: str) -> dict[str, Any]:
    # No endpoint's: volumes belong to accounts, and several endpoints may have one.
    owner = wanted.labels.get(names.INSTALLATION)
    labels = {names.INSTALLATION: owner} if owner else {}
    return {
        "Type": "volume",
        "Source": name,
        "Target": path,
        "VolumeOptions": {"Labels": labels},
    }


def network_config(installation: str, subnet: str) -> dict[str, Any]:
    """Body of the network call: replicas reach out, but not one another."""
    return {
        "Name": names.network_name(installation),
        "CheckDuplicate": True,
        "Driver": "bridge",
        "IPAM": {"Driver": "default", "Config": [{"Subnet": subnet}]},
        "Options": {
            "com.docker.network.bridge.enable_icc": "false",
            "com.docker.network.bridge.name": names.bridge_name(installation),
        },
        "Labels": {names.INSTALLATION: installation},
    }


def free_subnet(taken: Iterable[str]) -> str:
    """The first of our small subnets that overlaps none of `taken` (in CIDR form)."""
    used = [ipaddress.ip_network(text, strict=False) for text in taken]
    for candidate in _SUBNETS.subnets(new_prefix=_SUBNET_PREFIX):
        if not any(net.version == 4 and net.overlaps(candidate) for net in used):
            return str(candidate)
    raise EngineRefused(
        f"No subnet of {_SUBNETS} is free for replicas. Remove networks that are no "
        "longer used with “docker network prune”."
    )


def routed_subnets(text: str) -> list[str]:
    """Networks in the text of /proc/net/route, the default route left out."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[7] != "00000000":
            address, mask = (_little_endian(fields[i]) for i in (1, 7))
            found.append(f"{address}/{mask}")
    return found


def _little_endian(word: str) -> str:
    return str(ipaddress.IPv4Address(bytes.fromhex(word)[::-1]))
