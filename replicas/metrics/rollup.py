"""Short spans become long ones, and what is old goes."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise

from django.db.models import Max, QuerySet

from replicas.metrics import store
from replicas.metrics.point import Point, merge
from replicas.metrics.series import KEPT, STEPS, Rows, floor, grid
from replicas.models import Sample

# Rows deleted at once: other writers wait for that long.
_BATCH = 2000
# Seconds more, so that the next step is made of them first.
_SPARE = {10: 120, 60: 1800, 900: 0}


def roll_up(now: datetime) -> None:
    """Write every long span that is over and not there yet.

    Repeating is harmless. After a break it goes on where it was.
    """
    for step, coarse in pairwise(STEPS):
        for begin in _due(step, coarse, now):
            _roll(step, coarse, begin)


def _due(step: int, coarse: int, now: datetime) -> list[datetime]:
    """Beginnings of the spans that are over and have rows, but no row of their own."""
    # Rows later than that are of a clock that was ahead: they stop nothing.
    over = Sample.objects.order_by().filter(at__lt=floor(now, coarse))
    wanted = over.filter(step=step)
    last = over.filter(step=coarse).aggregate(at=Max("at"))["at"]
    if last is not None:
        wanted = wanted.filter(at__gte=last + timedelta(seconds=coarse))
    times = wanted.values_list("at", flat=True).distinct()
    return sorted({floor(at, coarse) for at in times})


def _roll(step: int, coarse: int, begin: datetime) -> None:
    end = begin + timedelta(seconds=coarse)
    found: dict[int, Rows] = defaultdict(dict)
    rows = Sample.objects.filter(step=step, at__gte=begin, at__lt=end).order_by()
    for endpoint_id, at, data in rows.values_list("endpoint_id", "at", "data"):
        found[endpoint_id][at] = Point.from_json(data)
    # The long span before it ended as its last short one did, and is kept longer.
    ended = store.ended(found, coarse, begin)
    points = {}
    for endpoint_id, spans in found.items():
        silent = ended.get(endpoint_id, True)
        known = [
            point
            for point in grid(spans, begin, end, step, silent=silent)
            if point is not None
        ]
        points[endpoint_id] = merge(known)
    store.write(coarse, begin, points)


def prune(now: datetime) -> int:
    """Delete rows older than they are kept, and those of times to come, which a clock
    that was ahead left behind; how many that were."""
    return sum(_delete(rows) for rows in overdue(now))


def overdue(now: datetime) -> list[QuerySet[Sample]]:
    """What `prune` deletes."""
    rows = Sample.objects.order_by("at")
    found = []
    for step, kept in KEPT.items():
        before = now - timedelta(seconds=kept + _SPARE[step])
        found.append(rows.filter(step=step, at__lt=before))
        found.append(rows.filter(step=step, at__gt=now))
    return found


def _delete(gone: QuerySet[Sample]) -> int:
    deleted = 0
    while True:
        ids = list(gone.values_list("pk", flat=True)[:_BATCH])
        if not ids:
            return deleted
        # Nothing hangs on a sample: no need to look for what does.
        rows = Sample.objects.filter(pk__in=ids)
        deleted += rows._raw_delete(rows.db)
