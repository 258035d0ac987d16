"""What the collector saw last, kept in Valkey for a minute.

A worker that restarts counts on from it, and Prometheus reads it. Losing it costs the
requests between two looks, and one scrape.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import Any

import redis

from endpoints.ingress.base import Answers
from endpoints.valkey import valkey

log = logging.getLogger(__name__)

_KEY = "alight:metrics"
# Older than this it is of no use: nobody may take it for the present.
KEEP_SECONDS = 60

# Seconds: upper bounds of the buckets in which starts are counted.
START_BOUNDS = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)


@dataclass
class Starts:
    """Starts since the collector began. buckets: one for each of START_BOUNDS and one
    for longer. total: seconds of them all."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(START_BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.buckets[sum(seconds > bound for bound in START_BOUNDS)] += 1
        self.total += seconds


@dataclass
class EndpointNow:
    """Counters since the ingress began; in_flight and queued now."""

    requests: int = 0
    classes: list[int] = field(default_factory=list)
    buckets: list[int] = field(default_factory=list)
    held: int = 0
    in_flight: int = 0
    queued: int = 0
    cold: Starts | None = None
    warm: Starts | None = None

    @property
    def answers(self) -> Answers | None:
        if not self.classes:
            return None
        one, two, three, four, five = self.classes
        classes = (one, two, three, four, five)
        return Answers(classes, tuple(self.buckets), self.held)


@dataclass
class ReplicaNow:
    """One living replica. at: Unix time of the numbers that follow it; 0 without any.
    cpu, received, sent: since its container started. gpus: [share busy or None, bytes
    used, bytes in all] of each."""

    endpoint: str
    number: int
    state: str
    container_id: str = ""
    at: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    limit: int = 0
    received: int = 0
    sent: int = 0
    gpus: list[tuple[float | None, int, int]] = field(default_factory=list)


@dataclass
class Snapshot:
    """at: Unix time of the look."""

    at: float
    endpoints: dict[str, EndpointNow] = field(default_factory=dict)
    replicas: list[ReplicaNow] = field(default_factory=list)


def to_json(snapshot: Snapshot) -> str:
    # The objects' own fields, not copies of them: there may be thousands.
    endpoints = {
        name: {
            **vars(now),
            "cold": now.cold and vars(now.cold),
            "warm": now.warm and vars(now.warm),
        }
        for name, now in snapshot.endpoints.items()
    }
    replicas = [vars(one) for one in snapshot.replicas]
    data = {"at": snapshot.at, "endpoints": endpoints, "replicas": replicas}
    return json.dumps(data)


def write(snapshot: Snapshot) -> None:
    """Never raises for an absent Valkey."""
    try:
        valkey().set(_KEY, to_json(snapshot), ex=KEEP_SECONDS)
    except redis.RedisError as error:
        log.info("What was measured could not be shown: %s", error)


def read(now: float) -> Snapshot | None:
    """The last one, unless it is old or Valkey is away."""
    try:
        text = valkey().get(_KEY)
    except redis.RedisError:
        return None
    snapshot = _parsed(json.loads(str(text))) if text else None
    if snapshot is None or not 0 <= now - snapshot.at <= KEEP_SECONDS:
        return None
    return snapshot


def _parsed(data: dict[str, Any]) -> Snapshot:
    endpoints = {
        name: EndpointNow(**{**row, **_starts(row, "cold"), **_starts(row, "warm")})
        for name, row in data["endpoints"].items()
    }
    return Snapshot(data["at"], endpoints, [ReplicaNow(**r) for r in data["replicas"]])


def _starts(row: dict[str, Any], kind: str) -> dict[str, Starts | None]:
    return {kind: Starts(**row[kind]) if row[kind] else None}
