"""Drift: where database, engine and ingress do not tell the same story.

What is on its way differs for moments. So what differs is looked at twice, and rows
count only once they have been as they are for longer than a sweep takes.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from console.doctor import place
from console.doctor.finding import CannotLook, Finding, fine, wrong
from endpoints.ingress import get_ingress
from endpoints.ingress.base import IngressUnreachable
from endpoints.models import Endpoint
from replicas import routing
from replicas.engine import get_engine, names
from replicas.engine.base import EngineError, Observed
from replicas.models import Gpu, Replica
from replicas.reconciler import loop
from replicas.reconciler.observe import by_owner
from replicas.states import ReplicaState as S

_MEND = (
    "The worker mends this at its next sweep, if it runs; else see logs/worker.log. "
    "manage.py reconcile --dry-run prints what it would do, --once does it."
)
_BETWEEN = 2.0
_RUNNING = (S.READY, S.UNHEALTHY)


def check() -> list[Finding]:
    place.need_database()
    return twice(_engine) + twice(_ingress) + _gpus() or [fine("All tell the same.")]


def twice(look: Callable[[], list[str]]) -> list[Finding]:
    """What differs, and still does a moment later."""
    first = look()
    if not first:
        return []
    threading.Event().wait(_BETWEEN)
    later = look()
    return [wrong(text, _MEND) for text in first if text in later]


def _engine() -> list[str]:
    ours = {names.INSTALLATION: settings.ALIGHT_INSTALLATION}
    try:
        found = get_engine().observe(ours)
    except EngineError:
        raise CannotLook("the engine does not answer.") from None
    known = set(Endpoint.objects.values_list("name", flat=True))
    rows = Replica.objects.alive().select_related("endpoint")
    return compare(rows, found, known, timezone.now())


def compare(
    rows: Iterable[Replica], found: list[Observed], known: set[str], now: datetime
) -> list[str]:
    """A sentence for each container nobody owns, and each replica without its own.

    known: names of endpoints. Rows that changed less than two sweeps ago are left out.
    """
    told = [
        f"Container {container.name} runs for an endpoint that is no more."
        for container in loop.strangers(found, known)
    ]
    owners = Counter(
        (c.labels.get(names.REPLICA), c.labels.get(names.ATTEMPT)) for c in found
    )
    told += [
        f"{count} containers carry the labels of replica {replica}, start {attempt}."
        for (replica, attempt), count in owners.items()
        if count > 1 and replica
    ]
    settled = now - timedelta(seconds=2 * settings.ALIGHT_SWEEP_SECONDS)
    containers = by_owner(found)
    for row in rows:
        container = containers.get((row.pk, row.attempt))
        if row.state not in _RUNNING or row.since > settled:
            continue
        who = f"Replica {row.number} of {row.endpoint.name} is {row.state}"
        if container is None:
            told.append(f"{who} and has no container.")
        elif not container.running:
            told.append(f"{who}, and its container has ended.")
    return told


def _ingress() -> list[str]:
    try:
        return get_ingress().differences(routing.all_routes)
    except IngressUnreachable:
        raise CannotLook("the ingress does not answer.") from None


def _gpus() -> list[Finding]:
    ended = Gpu.objects.filter(replica__state=S.STOPPED).select_related("replica")
    return [
        wrong(f"{gpu} is held by replica {gpu.replica_id}, which has ended.", _MEND)
        for gpu in ended
    ]
