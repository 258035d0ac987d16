"""Points on an even grid of time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from replicas.metrics.point import Point, merge, nothing

# Length of the spans kept, and for how long, in seconds: finest first.
KEPT = {10: 3600, 60: 24 * 3600, 900: 30 * 24 * 3600}
STEPS = tuple(KEPT)

# Points by the beginning of their span.
Rows = dict[datetime, Point]


@dataclass(frozen=True)
class Series:
    """See `replicas.metrics`. begin: of the first span. step: seconds of each."""

    begin: datetime
    step: int
    points: tuple[Point | None, ...]

    @property
    def end(self) -> datetime:
        return self.begin + timedelta(seconds=self.step * len(self.points))

    def __iter__(self) -> Iterator[tuple[datetime, Point | None]]:
        """Each span's beginning and its point."""
        for index, point in enumerate(self.points):
            yield self.begin + timedelta(seconds=self.step * index), point

    @property
    def known(self) -> list[Point]:
        return [point for point in self.points if point is not None]

    @property
    def whole(self) -> Point | None:
        """All of it as one point; None when nothing is known."""
        known = self.known
        return merge(known) if known else None

    def column(self, ask: Callable[[Point], Any]) -> list[Any]:
        """One value for each span: what `ask` says of its point, None without one."""
        return [None if point is None else ask(point) for point in self.points]

    def coarser(self, most: int) -> Series:
        """The same in at most so many points, each of them several of these."""
        factor = -(-len(self.points) // most)
        if factor <= 1:
            return self
        # From the end: the newest span is whole.
        lead = -len(self.points) % factor
        padded = (None,) * lead + self.points
        merged = tuple(
            _known(padded[at : at + factor]) for at in range(0, len(padded), factor)
        )
        begin = self.begin - timedelta(seconds=self.step * lead)
        return Series(begin, self.step * factor, merged)


def _known(points: tuple[Point | None, ...]) -> Point | None:
    found = [point for point in points if point is not None]
    return merge(found) if found else None


def step_for(seconds: int) -> int:
    """The finest step that is kept for that long."""
    return next((step for step, kept in KEPT.items() if seconds <= kept), STEPS[-1])


def floor(at: datetime, step: int) -> datetime:
    """The beginning of the span that `at` is in."""
    return datetime.fromtimestamp(at.timestamp() // step * step, UTC)


def grid(
    rows: Mapping[datetime, Point],
    begin: datetime,
    end: datetime,
    step: int,
    *,
    silent: bool,
    since: datetime | None = None,
) -> list[Point | None]:
    """A point for each span from begin to end.

    rows: by the span's beginning. silent: whether a missing row at the start means
    that nothing happened; after a row, that row says so. since: nothing is known of
    spans before the one this is in.
    """
    found: list[Point | None] = []
    at = begin
    first = floor(since, step) if since else begin
    while at < end:
        point = rows.get(at)
        if point is not None:
            silent = point.ended
        elif silent and at >= first:
            point = nothing(step)
        found.append(point)
        at += timedelta(seconds=step)
    return found


def rolled(rows: Mapping[datetime, Point], step: int, coarse: int) -> Rows:
    """Points of spans of `coarse` seconds out of `rows` of `step`.

    The last one may be of a span that is not over: it ends with the last row.
    """
    if not rows:
        return {}
    begin, last = floor(min(rows), coarse), max(rows)
    end = last + timedelta(seconds=step)
    groups: dict[datetime, list[Point]] = {}
    known = Series(begin, step, tuple(grid(rows, begin, end, step, silent=True)))
    for at, point in known:
        if point is not None:
            groups.setdefault(floor(at, coarse), []).append(point)
    return {at: merge(points) for at, points in groups.items()}
