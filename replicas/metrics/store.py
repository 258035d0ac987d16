"""Where points are kept: rows of `Sample`, three lengths of span for each endpoint."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise

from django.db import IntegrityError
from django.db.models import JSONField, OuterRef, Q, Subquery

from endpoints.models import Endpoint
from replicas.metrics.point import Point
from replicas.metrics.series import (
    STEPS,
    Rows,
    Series,
    floor,
    grid,
    rolled,
    step_for,
)
from replicas.models import Sample

# Seconds after its end until a span can be expected to be there.
_LAG = 3


def read(endpoint_id: int, seconds: int, now: datetime) -> Series:
    """Its last so many seconds, in the finest step that is kept for that long.

    The newest span of a coarse step is what there is of it yet. Two queries.
    """
    return read_many([endpoint_id], seconds, now)[endpoint_id]


def read_many(
    endpoint_ids: Collection[int], seconds: int, now: datetime
) -> dict[int, Series]:
    """`read` for several endpoints, in the same number of queries."""
    step = step_for(seconds)
    end = _end(now, step)
    begin = end - timedelta(seconds=seconds)
    found = _rows(endpoint_ids, step, begin, now)
    before = _before(endpoint_ids, step, begin)
    series = {}
    for endpoint_id in endpoint_ids:
        made, silent = before.get(endpoint_id, (None, True))
        rows = _with_newest(found[endpoint_id], step)
        points = grid(rows, begin, end, step, silent=silent, since=made)
        series[endpoint_id] = Series(begin, step, tuple(points))
    return series


def _end(now: datetime, step: int) -> datetime:
    now -= timedelta(seconds=_LAG)
    begun = floor(now, step)
    if step == STEPS[0] or begun == now:
        return begun
    return begun + timedelta(seconds=step)


def _rows(
    endpoint_ids: Collection[int], step: int, begin: datetime, now: datetime
) -> dict[int, dict[int, Rows]]:
    """Points by endpoint, step and time: those of `step`, and for the newest spans,
    which are not rolled up yet, the finer ones."""
    wanted = Q(step=step, at__gte=begin)
    for finer, coarse in pairwise(STEPS):
        if coarse <= step:
            newest = floor(now, coarse) - timedelta(seconds=coarse)
            wanted |= Q(step=finer, at__gte=newest)
    found: dict[int, dict[int, Rows]] = defaultdict(lambda: defaultdict(dict))
    rows = Sample.objects.filter(wanted, endpoint_id__in=endpoint_ids).order_by()
    for endpoint_id, length, at, data in rows.values_list(
        "endpoint_id", "step", "at", "data"
    ).iterator():
        found[endpoint_id][length][at] = Point.from_json(data)
    return found


def _before(
    endpoint_ids: Collection[int], step: int, begin: datetime
) -> dict[int, tuple[datetime, bool]]:
    """When it was made, and whether its last row before `begin` says that nothing went
    on. So does having none."""
    last = Sample.objects.filter(endpoint=OuterRef("pk"), step=step, at__lt=begin)
    data = last.order_by("-at").values("data")[:1]
    rows = Endpoint.objects.filter(pk__in=list(endpoint_ids)).order_by()
    known = rows.annotate(before=Subquery(data, output_field=JSONField()))
    return {
        endpoint_id: (made, before is None or bool(before.get("e")))
        for endpoint_id, made, before in known.values_list("pk", "created_at", "before")
    }


def ended(
    endpoint_ids: Collection[int], step: int, before: datetime
) -> dict[int, bool]:
    """By endpoint: whether its last row before then says that nothing went on."""
    found = _before(endpoint_ids, step, before)
    return {endpoint_id: silent for endpoint_id, (_, silent) in found.items()}


def _with_newest(rows: Mapping[int, Rows], step: int) -> Rows:
    """The rows of `step`, with the newest spans put together from finer ones."""
    found: Rows = dict(rows.get(STEPS[0], {}))
    for finer, coarse in pairwise(STEPS):
        if coarse <= step:
            found = {**rolled(found, finer, coarse), **rows.get(coarse, {})}
    return found


def write(step: int, at: datetime, points: Mapping[int, Point]) -> None:
    """Keep one span of several endpoints; what is there already is replaced.

    Endpoints that are gone meanwhile are left out.
    """
    try:
        _write(step, at, points)
    except IntegrityError:
        # One went between the look and the end of writing: it is seen now.
        _write(step, at, points)


def _write(step: int, at: datetime, points: Mapping[int, Point]) -> None:
    there = set(_existing(points))
    Sample.objects.bulk_create(
        [
            Sample(endpoint_id=one, step=step, at=at, data=point.to_json())
            for one, point in points.items()
            if one in there
        ],
        update_conflicts=True,
        unique_fields=["endpoint", "step", "at"],
        update_fields=["data"],
    )


def _existing(endpoint_ids: Iterable[int]) -> Iterable[int]:
    return Endpoint.objects.filter(pk__in=list(endpoint_ids)).values_list(
        "pk", flat=True
    )
