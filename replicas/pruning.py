"""What grows for ever otherwise: everything that is history, and only that.

Each kind says which rows are history; they go a few at a time, so that nobody waits
long for the database's one write lock. A look costs little where nothing is due.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Model, Q, QuerySet

from endpoints import asynchronous, passes, revisions
from endpoints.models import AccessKey, Endpoint, Event, Revision, ShareLink
from replicas.logs import keeping
from replicas.metrics import rollup
from replicas.models import Replica
from replicas.states import ReplicaState

log = logging.getLogger(__name__)

# Rows deleted at once.
_BATCH = 200
# Of each endpoint these stay, however old they are.
EVENTS_KEPT, REVISIONS_KEPT = 50, 10

Rows = QuerySet[Model]


@dataclass(frozen=True)
class Pruned:
    """kind: what it is, for people. count: how many went, or would. freed: bytes."""

    kind: str
    count: int
    freed: int = 0


def prune(now: datetime, *, dry_run: bool = False) -> Iterator[Pruned]:
    """Delete what is due, kind by kind; only count it where `dry_run`.

    A kind that fails is told in the log and keeps no other from its turn.
    """
    for kind, do in _KINDS:
        try:
            yield Pruned(kind, *do(now, dry_run))
        except Exception:
            log.exception("Pruning of %s failed", kind)


def _delete(rows: Rows, dry_run: bool) -> int:
    if dry_run:
        return rows.count()
    deleted = 0
    while ids := list(rows.order_by().values_list("pk", flat=True)[:_BATCH]):
        deleted += len(ids)
        rows.model._default_manager.filter(pk__in=ids).delete()
    return deleted


def _old(now: datetime) -> datetime:
    return now - timedelta(days=settings.ALIGHT_HISTORY_DAYS)


# --- Kinds -------------------------------------------------------------------
def _events(now: datetime, dry_run: bool) -> tuple[int]:
    deleted = 0
    for endpoint_id in Endpoint.objects.order_by().values_list("pk", flat=True):
        rows = Event.objects.filter(endpoint_id=endpoint_id)
        newest = rows.order_by("-id").values_list("pk", flat=True)
        edge = list(newest[EVENTS_KEPT - 1 : EVENTS_KEPT])
        if edge:
            deleted += _delete(rows.filter(pk__lt=edge[0], at__lt=_old(now)), dry_run)
    return (deleted,)


def _replicas(now: datetime, dry_run: bool) -> tuple[int]:
    # Their numbers name their logs: no earlier than these go.
    days = max(settings.ALIGHT_HISTORY_DAYS, settings.ALIGHT_LOG_DAYS)
    old = now - timedelta(days=days)
    rows = Replica.objects.filter(state=ReplicaState.STOPPED, since__lt=old)
    return (_delete(rows, dry_run),)


def _revisions(now: datetime, dry_run: bool) -> tuple[int]:
    """Those nothing runs, ran lately, serves, or is gone back to."""
    deleted = 0
    for endpoint in Endpoint.objects.order_by():
        spare = _spare(endpoint, now)
        if dry_run or not spare.exists():
            deleted += spare.count() if dry_run else 0
            continue
        with transaction.atomic():
            # Looked at again while nobody can go back to one of them.
            row = Endpoint.objects.select_for_update(no_key=True).filter(pk=endpoint.pk)
            for held in row:
                deleted += _delete(_spare(held, now), dry_run=False)
    return (deleted,)


def _spare(endpoint: Endpoint, now: datetime) -> QuerySet[Revision]:
    rows = Revision.objects.filter(endpoint=endpoint)
    kept = rows.order_by("-number").values_list("number", flat=True)
    edge = list(kept[REVISIONS_KEPT - 1 : REVISIONS_KEPT])
    if not edge:
        return rows.none()
    serving = rows.settled().values_list("pk", flat=True)[:1]
    needed = Q(pk__in=list(serving)) | revisions.beside([endpoint])
    held = rows.filter(needed).values_list("pk", flat=True)
    return rows.filter(
        number__lt=min(edge[0], endpoint.revision),
        created_at__lt=_old(now),
        replicas=None,
    ).exclude(pk__in=list(held))


def _tokens(now: datetime, dry_run: bool) -> tuple[int]:
    ended = Q(revoked_at__lt=_old(now)) | Q(expires_at__lt=_old(now))
    return (_delete(AccessKey.objects.filter(ended), dry_run),)


def _links(now: datetime, dry_run: bool) -> tuple[int]:
    ended = Q(revoked_at__lt=_old(now)) | Q(expires_at__lt=_old(now))
    return (_delete(ShareLink.objects.filter(ended), dry_run),)


def _passes(now: datetime, dry_run: bool) -> tuple[int]:
    return (_delete(passes.spent(now), dry_run),)


def _sessions(now: datetime, dry_run: bool) -> tuple[int]:
    return (_delete(Session.objects.filter(expire_date__lt=now), dry_run),)


def _answers(now: datetime, dry_run: bool) -> tuple[int]:
    if dry_run:
        return (asynchronous.overdue(now).count(),)
    return (asynchronous.prune(now),)


def _metrics(now: datetime, dry_run: bool) -> tuple[int]:
    if dry_run:
        return (sum(rows.count() for rows in rollup.overdue(now)),)
    return (rollup.prune(now),)


def _logs(now: datetime, dry_run: bool) -> tuple[int, int]:
    done = keeping.keep(int(now.timestamp() * 1e9), dry_run=dry_run)
    return done.removed + done.packed + done.notes, done.freed


_KINDS: tuple[tuple[str, Callable[[datetime, bool], tuple[int, ...]]], ...] = (
    ("logs, packed or removed", _logs),
    ("events", _events),
    ("stopped replicas", _replicas),
    ("unused revisions", _revisions),
    ("ended tokens", _tokens),
    ("ended links", _links),
    ("spent passes", _passes),
    ("ended sessions", _sessions),
    ("answered requests", _answers),
    ("metrics", _metrics),
)
