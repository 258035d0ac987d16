"""Volumes of an account: made when an endpoint names one, deleted only on request.

Deleting is a wish: the worker removes the files and then the row. The name is free at
once, and whoever takes it again gets a volume without files.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from endpoints import revisions, worker
from endpoints.models import Endpoint, Revision, Volume

# A size older than this is measured anew for whoever looks.
FRESH = timedelta(minutes=1)

# An account and the name of one of its volumes.
Named = tuple[int, str]


class VolumeInUse(Exception):
    """Endpoints use it; the text names them and says what to do."""


def ensure(owner_id: int, name: str) -> Volume:
    """The account's volume of this name, made when there is none."""
    token = secrets.token_hex(4)
    engine_name = f"alight-{settings.ALIGHT_INSTALLATION}-{owner_id}-{name}-{token}"
    with transaction.atomic():
        # Held until whoever names it has written that, so that `delete` sees it.
        found, _ = Volume.objects.select_for_update(no_key=True).get_or_create(
            owner_id=owner_id,
            name=name,
            deleting=False,
            defaults={"engine_name": engine_name},
        )
    return found


# --- Who uses what -----------------------------------------------------------
def users_of(volume: Volume) -> list[str]:
    """Names of endpoints that mount it now or may come to: see `uses`."""
    named = (volume.owner_id, volume.name)
    return [] if volume.deleting else uses([volume.owner_id]).get(named, [])


def users_by_name(owner_id: int) -> dict[str, list[str]]:
    """Names of endpoints by the volume that `users_of` finds them for."""
    return {name: users for (_, name), users in uses([owner_id]).items()}


def uses(owner_ids: Iterable[int]) -> dict[Named, list[str]]:
    """Names of endpoints by volume, in order.

    An endpoint uses a volume when the wish names it, when a replica that has not ended
    mounts it, and when the revision that serves, or would after a failure, names it.
    Four queries at most.
    """
    endpoints = {e.pk: e for e in Endpoint.objects.filter(owner_id__in=owner_ids)}
    specs = [(endpoint, endpoint.container) for endpoint in endpoints.values()]
    specs += [(endpoints[r.endpoint_id], r.container) for r in _others(endpoints)]
    found: dict[Named, set[str]] = {}
    for endpoint, spec in specs:
        if spec.volume is not None:
            named = (endpoint.owner_id, spec.volume.name)
            found.setdefault(named, set()).add(endpoint.name)
    return {named: sorted(users) for named, users in found.items()}


def _others(endpoints: dict[int, Endpoint]) -> Iterable[Revision]:
    """Revisions beside the wanted ones that run, serve, or are fallen back to."""
    # As an annotation: an `exclude` would drop revisions with any stopped replica.
    running = Revision.objects.annotate(state=F("replicas__state"))
    running = running.exclude(state=None).exclude(state="stopped")
    kept = Q(pk__in=running.values("pk"))
    kept |= revisions.beside(endpoints.values())
    return Revision.objects.filter(kept, endpoint_id__in=endpoints)


# --- Verbs -------------------------------------------------------------------
def delete(volume: Volume) -> None:
    """Ask for its end, or ask again. Raises VolumeInUse.

    Where the worker answers, it is gone when the transaction has ended.
    """
    with transaction.atomic():
        rows = Volume.objects.select_for_update(no_key=True).filter(pk=volume.pk)
        row = rows.first()
        if row is None:
            return
        if users := users_of(row):
            raise VolumeInUse(in_use(row.name, users))
        rows.update(deleting=True, trouble="")
        transaction.on_commit(_look, robust=True)


def _look() -> None:
    # Who is away now, or refuses, looks by itself later.
    with contextlib.suppress(worker.WorkerAway, worker.WorkerRefused):
        worker.look_at_volumes()


def is_stale(volume: Volume) -> bool:
    """Whether its size is worth measuring again."""
    at = volume.measured_at
    return not volume.deleting and (at is None or at < timezone.now() - FRESH)


# --- Words -------------------------------------------------------------------
def in_use(name: str, users: Sequence[str]) -> str:
    """ "checkpoints is used by art and chat. Take it off them first, …" """
    where = "that endpoint" if len(users) == 1 else "them"
    return (
        f"{name} is used by {listed(users)}. Take it off {where} first, then delete it."
    )


def listed(names: Sequence[str]) -> str:
    """ "art", "art and chat", "art, chat and 2 more"."""
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} more"
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
