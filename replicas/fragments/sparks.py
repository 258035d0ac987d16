"""The last hour of many endpoints at once, for their list.

A list is drawn again at every change, so what was read is kept: an hour is read once a
minute, and only the newest rows are asked about what came since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import lru_cache

from django.db.models import Q, QuerySet

from replicas.metrics.series import floor
from replicas.models import Sample
from replicas.page.sparks import MINUTES, Traffic, traffic

_MINUTE = timedelta(minutes=1)
# Until then a minute that is over has been put together from its spans of 10 s.
_LATE = timedelta(seconds=20)
# "Now" is the minute that goes on and so many before.
_BEFORE = 4

Counts = tuple[int, ...]


class _Hour:
    """Requests of each minute up to `end`, of those endpoints that were asked about."""

    def __init__(self, end: datetime) -> None:
        self.end = end
        self.counts: dict[int, Counts] = {}

    def of(self, endpoint_ids: Collection[int]) -> dict[int, Counts]:
        unknown = [one for one in endpoint_ids if one not in self.counts]
        if unknown:
            self.counts.update(self._read(unknown))
        return self.counts

    def _read(self, endpoint_ids: Collection[int]) -> dict[int, Counts]:
        begin = self.end - _MINUTE * MINUTES
        found = {one: [0] * MINUTES for one in endpoint_ids}
        rows = _with_requests(endpoint_ids).filter(
            step=60, at__gte=begin, at__lt=self.end
        )
        for endpoint_id, at, count in rows.values_list("endpoint_id", "at", "data__n"):
            found[endpoint_id][int((at - begin) / _MINUTE)] = count
        return {one: tuple(counts) for one, counts in found.items()}


@lru_cache(maxsize=1)
def _hour(end: datetime) -> _Hour:
    return _Hour(end)


def traffic_of(endpoint_ids: Collection[int], now: datetime) -> dict[int, Traffic]:
    """By endpoint. One query, and another one for those not asked about this minute."""
    hour = _hour(floor(now - _LATE, 60)).of(endpoint_ids)
    minutes = _BEFORE + (now - floor(now, 60)) / _MINUTE
    recent = _recent(endpoint_ids, floor(now, 60))
    return {
        one: traffic(hour[one], *_added(recent.get(one, ()), minutes))
        for one in endpoint_ids
    }


Span = tuple[int, list[int]]


def _recent(endpoint_ids: Collection[int], minute: datetime) -> dict[int, list[Span]]:
    """Requests and buckets of the spans since `_BEFORE` minutes before this one."""
    wanted = Q(step=60, at__gte=minute - _MINUTE * _BEFORE)
    wanted |= Q(step=10, at__gte=minute - _MINUTE)
    found: dict[int, list[Span]] = defaultdict(list)
    whole = set()
    rows = _with_requests(endpoint_ids).filter(wanted).order_by("-step")
    for endpoint_id, step, at, data in rows.values_list(
        "endpoint_id", "step", "at", "data"
    ):
        if step == 60:
            whole.add((endpoint_id, at))
        elif (endpoint_id, floor(at, 60)) in whole:
            continue
        found[endpoint_id].append((data["n"], data.get("b", [])))
    return found


def _added(spans: Iterable[Span], minutes: float) -> tuple[int, float, tuple[int, ...]]:
    told = list(spans)
    columns = zip(*(buckets for _, buckets in told if buckets), strict=True)
    return sum(count for count, _ in told), minutes, tuple(map(sum, columns))


def _with_requests(endpoint_ids: Collection[int]) -> QuerySet[Sample]:
    rows = Sample.objects.filter(endpoint_id__in=endpoint_ids, data__has_key="n")
    return rows.order_by()
