"""The console's own processes: whether they run, and whether they answer."""

from __future__ import annotations

import http.client
import socket
from datetime import timedelta

import redis
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone

from console.doctor import place
from console.doctor.finding import Finding, fine, note, wrong
from endpoints import advice
from endpoints.ingress.base import IngressUnreachable
from endpoints.ingress.runtime import Runtime
from endpoints.valkey import asking_valkey
from launcher.down import SERVICES
from launcher.services import is_healthy
from replicas.models import Node

_SECONDS = 3.0
# Sweeps come this often at least; one that takes long may be late by another.
_SWEEPS = 4
_CROWD = 1000


def check() -> list[Finding]:
    if advice.by_compose():
        # Whether they run is Docker's to say: docker compose ps.
        found = [finding for ask in _ANSWERS.values() if (finding := ask())]
        return found or [fine(f"{len(_ANSWERS)} services answer.")]
    own = place.config().own_valkey
    expected = [name for name in ("supervisor", *SERVICES) if own or name != "valkey"]
    away = [name for name in expected if place.runs(name) is None]
    if away == expected:
        return [
            wrong(
                "Alight does not run here. Its replicas may; nobody reaches them.",
                advice.start(),
            )
        ]
    found = [_away(name) for name in away]
    up = [name for name in _ANSWERS if name not in away]
    found += [finding for name in up if (finding := _ANSWERS[name]())]
    return found or [fine(f"{len(expected)} processes run and answer.")]


def _away(name: str) -> Finding:
    if name == "supervisor":
        return wrong(
            "The supervisor does not run: nothing that ends is started again.",
            f"{advice.start()} stops what is left and starts anew.",
        )
    return wrong(
        f"{name} does not run.",
        "The supervisor tries again every 30 s at most. Why it ends: "
        f"{advice.log(name)}",
    )


def _valkey() -> Finding | None:
    try:
        with asking_valkey(_SECONDS) as client:
            memory = client.info("memory")
            waiting = int(client.llen("celery"))
    except redis.RedisError as error:
        return wrong(
            f"Valkey does not answer: {error}.",
            f"Its log: {advice.log('valkey')}. Nothing is lost with it: "
            f"{advice.anew('valkey')}",
        )
    used, most = int(memory["used_memory"]), int(memory.get("maxmemory", 0))
    if most and used > 0.8 * most:
        return note(
            f"Valkey uses {used >> 20} of {most >> 20} MB.",
            "It holds messages, news and tails of logs: restart it when that does not "
            "pass; nothing is lost.",
        )
    if waiting > _CROWD:
        return wrong(
            f"{waiting} messages wait for the worker.",
            f"See what keeps it busy in {advice.log('worker')}; a message only says "
            f"“look again”, so a restart costs nothing: {advice.anew('worker')}",
        )
    return None


def _haproxy() -> Finding | None:
    try:
        with Runtime(settings.ALIGHT_INGRESS_SOCKET, timeout=_SECONDS) as hap:
            hap.ask(["show info"])
    except IngressUnreachable as error:
        return wrong(
            f"{error}", f"Its log: {advice.log('haproxy')}. {advice.anew('haproxy')}"
        )
    return None


def _web() -> Finding | None:
    try:
        healthy = is_healthy(place.config())
    except (OSError, http.client.HTTPException):
        healthy = False
    if healthy:
        return None
    return wrong(
        f"The console does not answer at {place.config().url}.",
        f"Endpoints do. Its log: {advice.log('web')}. {advice.end_hung('web')}",
    )


def _worker() -> Finding | None:
    """It listens, and has made its rounds."""
    path = settings.ALIGHT_WORKER_SOCKET
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(_SECONDS)
        try:
            link.connect(path)
        except OSError as error:
            return note(
                f"The worker does not listen at {path}: {error.strerror or error}.",
                f"It does after its first sweep. Its log: {advice.log('worker')}",
            )
    return _rounds() if place.has_database() else None


def _rounds() -> Finding | None:
    try:
        node = Node.objects.exclude(seen_at=None).order_by("-seen_at").first()
    except OperationalError:
        return None  # the database's check says it; what else is away is told too
    if node is None or node.seen_at is None or node.unreachable_since:
        return None  # the engine's check says what there is to say
    age = timezone.now() - node.seen_at
    if age <= timedelta(seconds=_SWEEPS * settings.ALIGHT_SWEEP_SECONDS):
        return None
    return wrong(
        f"The worker has not looked at everything for {age.total_seconds():.0f} s.",
        f"What keeps it: {advice.log('worker')} and {advice.log('beat')}. A restart "
        f"costs nothing: {advice.anew('worker', 'beat')}",
    )


_ANSWERS = {"valkey": _valkey, "haproxy": _haproxy, "web": _web, "worker": _worker}
