"""What the engine reports, as our dataclasses. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from replicas.engine import errors
from replicas.engine.base import (
    EngineEvent,
    ImageFacts,
    ImageInfo,
    NodeInfo,
    Observed,
    Usage,
)

_NEVER = "0001-01-01"
# In an event, labels stand beside these facts about the container.
_FACTS = frozenset({"image", "name", "exitCode", "signal", "execID", "execDuration"})


def observed(attrs: Mapping[str, Any], *, node: str) -> Observed:
    """From an answer to `/containers/{id}/json`."""
    state = attrs["State"]
    created = state["Status"] == "created"
    # A start that failed leaves exit code 128 on a container that never ran.
    ended = state["Status"] in {"exited", "dead"}
    code = int(state["ExitCode"]) if ended else None
    return Observed(
        id=attrs["Id"],
        name=attrs["Name"].removeprefix("/"),
        labels=dict(attrs["Config"].get("Labels") or {}),
        node=node,
        running=bool(state["Running"]),
        created=created,
        exit_code=code,
        oom=bool(state.get("OOMKilled")),
        address=_address(attrs) if state["Running"] else "",
        started_at=moment(state.get("StartedAt", "")),
        finished_at=moment(state.get("FinishedAt", "")),
        error=state.get("Error") or errors.bad_exit(code, attrs.get("Path", "")),
        paused=bool(state.get("Paused")),
    )


def usage(stats: Mapping[str, Any] | None) -> Usage | None:
    """From an answer to `/containers/{id}/stats`; None for one that does not run.

    The engine answers null for one that ended just then.
    """
    stats = stats or {}
    at, memory = moment(stats.get("read", "")), stats.get("memory_stats") or {}
    if at is None or "usage" not in memory:
        return None
    parts = memory.get("stats") or {}
    # Version 1 of cgroups has the sums over all groups below under other names.
    cache = parts.get("total_inactive_file", parts.get("inactive_file", 0))
    cards = (stats.get("networks") or {}).values()
    return Usage(
        at=at,
        cpu=stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        memory=max(0, memory["usage"] - cache),
        limit=memory.get("limit", 0),
        received=sum(card["rx_bytes"] for card in cards),
        sent=sum(card["tx_bytes"] for card in cards),
    )


def _address(attrs: Mapping[str, Any]) -> str:
    networks = (attrs.get("NetworkSettings") or {}).get("Networks") or {}
    for network in networks.values():
        if address := network.get("IPAddress"):
            return str(address)
    return ""


def moment(text: str) -> datetime | None:
    """The engine's time, which has nine digits after the point or none; None: never.

    >>> moment("2026-01-31T12:00:00.123456789Z").microsecond
    123456
    """
    if not text or text.startswith(_NEVER):
        return None
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))


def image_info(attrs: Mapping[str, Any]) -> ImageInfo:
    """From an answer to `/images/{name}/json`."""
    ports, volumes = exposed(attrs.get("Config") or {})
    return ImageInfo(
        id=attrs["Id"],
        size=int(attrs.get("Size") or 0),
        layers=len((attrs.get("RootFS") or {}).get("Layers") or ()),
        ports=ports,
        volumes=volumes,
    )


def image_facts(attrs: Mapping[str, Any]) -> ImageFacts:
    """From the same answer, for an image that is on the node."""
    info = image_info(attrs)
    # "name@sha256:…", none for an image that was built here.
    digests = attrs.get("RepoDigests") or [""]
    digest = str(digests[0]).partition("@")[2]
    return ImageFacts(True, info.ports, info.volumes, info.size, digest, info.id)


def exposed(config: Mapping[str, Any]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """TCP ports and volumes in an image's config."""
    ports = (key.partition("/") for key in config.get("ExposedPorts") or {})
    return (
        tuple(sorted(int(port) for port, _, kind in ports if kind in {"", "tcp"})),
        tuple(sorted(config.get("Volumes") or ())),
    )


def node_info(attrs: Mapping[str, Any]) -> NodeInfo:
    """From an answer to `/info`."""
    return NodeInfo(
        name=attrs["Name"],
        cores=int(attrs["NCPU"]),
        memory_mb=int(attrs["MemTotal"]) // (1024 * 1024),
        engine_version=attrs["ServerVersion"],
    )


def event(message: Mapping[str, Any]) -> EngineEvent:
    """From a message of `/events`."""
    attributes = message["Actor"].get("Attributes") or {}
    return EngineEvent(
        action=message["Action"],
        container_id=message["Actor"]["ID"],
        labels={key: val for key, val in attributes.items() if key not in _FACTS},
        at=int(message["timeNano"]),
    )
