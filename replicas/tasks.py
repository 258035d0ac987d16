"""Celery doors to the reconciler. Short, idempotent, and safe to lose."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from celery import shared_task
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from endpoints.valkey import valkey
from replicas import discovery, doorbell, pruning
from replicas.engine.base import EngineUnreachable
from replicas.reconciler import loop

log = logging.getLogger(__name__)

# The broker gives a task that waits for an hour to a second worker. The sweep finds
# what is due much later; until then a look too early costs little.
_FARTHEST_SECONDS = 600.0
# What a database that is away, or busy, lets fail. `made_up_for` tells it, not Celery,
# which would tell how it came there each time.
_UNDONE = (OperationalError, InterfaceError)


@shared_task(throws=_UNDONE)
def reconcile(endpoint_id: int) -> None:
    """Look at one endpoint now, and once more when its plan says so."""
    with made_up_for():
        again, others = loop.reconcile(endpoint_id)
    if again is not None:
        look_again(endpoint_id, again)
    for other in others:
        reconcile.delay(other)


def look_again(endpoint_id: int, seconds: float) -> None:
    """Ask for one later look. An earlier one that is under way already will do."""
    seconds = min(max(seconds, 0.05), _FARTHEST_SECONDS)
    key, due = f"alight:again:{endpoint_id}", time.time() + seconds
    planned = valkey().get(key)
    if planned and time.time() < float(planned) <= due + 0.05:
        return
    valkey().set(key, due, px=int((seconds + 5) * 1000))
    # A look that is very late has been made by the sweep meanwhile.
    reconcile.apply_async((endpoint_id,), countdown=seconds)


def look_for_gpus() -> bool:
    """Look which GPUs there are, and let endpoints follow. Whether there are any.

    Takes seconds. Raises EngineError.
    """
    for endpoint_id in loop.look_for_gpus():
        reconcile.delay(endpoint_id)
    return discovery.has_gpus()


@shared_task
def deliver(endpoint_id: int) -> None:
    """Have the runner send what this endpoint is to answer later.

    Such a request may take hours, which no slot of Celery's waits for.
    """
    log.debug("Endpoint %s has requests to be sent", endpoint_id)
    doorbell.ring()


@shared_task
def prune() -> None:
    """Delete what is history."""
    for done in pruning.prune(timezone.now()):
        if done.count:
            log.info("Pruned %s: %s (%s bytes)", done.kind, done.count, done.freed)


@shared_task(throws=_UNDONE)
def sweep() -> None:
    """Look at everything; mend what a lost message missed."""
    _rhythm.beat()
    # Said already, once for each time it goes away.
    with made_up_for(), suppress(EngineUnreachable):
        loop.sweep(_call)
    _rhythm.end()


def sweep_if_late() -> None:
    """`sweep`, unless this worker was told to within two turns of it, and nothing was
    left undone since.

    beat may be dead, or held up.
    """
    if _rhythm.behind or _rhythm.silent_for() >= 2 * settings.ALIGHT_SWEEP_SECONDS:
        sweep()


@contextmanager
def made_up_for() -> Iterator[None]:
    """What the database lets fail in here is found by a sweep as soon as it answers.

    It may have been away for a moment only: waiting for beat's turn would be longer.
    """
    try:
        yield
    except _UNDONE:
        _rhythm.behind = True
        log.exception("Something was left undone, which a sweep makes up for")
        raise


def swept_ago() -> float:
    """Seconds since this worker last came to the end of a sweep, or was started."""
    return _rhythm.ended_ago()


def _call(endpoint_id: int) -> None:
    reconcile.apply_async((endpoint_id,), expires=settings.ALIGHT_SWEEP_SECONDS * 3)


class _Rhythm:
    """When this process began its last sweep, and when it last ended one.

    behind: whether something failed since that began which one more would find.
    """

    def __init__(self) -> None:
        self._last = self._end = time.monotonic()
        self.behind = False

    def beat(self) -> None:
        self._last = time.monotonic()
        self.behind = False

    def end(self) -> None:
        self._end = time.monotonic()

    def silent_for(self) -> float:
        return time.monotonic() - self._last

    def ended_ago(self) -> float:
        return time.monotonic() - self._end


_rhythm = _Rhythm()
