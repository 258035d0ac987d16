"""How far back charts look, and a series cut into the spans they show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from replicas.metrics.point import Point, merge
from replicas.metrics.series import Series, floor


@dataclass(frozen=True)
class Range:
    """key: in addresses. seconds: how far back. step: of one value, in seconds.
    per: the time that a rate is told for, in seconds."""

    key: str
    name: str
    spoken: str
    seconds: int
    step: int
    per: int = 60

    @property
    def rate(self) -> str:
        return "a minute" if self.per == 60 else "an hour"

    @property
    def turns(self) -> int:
        """Every how many times 10 s it is worth drawing again."""
        return min(6, self.step // 30)


RANGES = (
    Range("1h", "1 h", "last hour", 3600, 30),
    Range("6h", "6 h", "last 6 hours", 6 * 3600, 180),
    # From here on a request now and then would round to none a minute.
    Range("24h", "24 h", "last 24 hours", 24 * 3600, 600, 3600),
    Range("7d", "7 days", "last 7 days", 7 * 86400, 3600, 3600),
)
_BY_KEY = {one.key: one for one in RANGES}


def range_of(key: object) -> Range:
    """The range that was asked for; the first one when there is none like it."""
    return _BY_KEY.get(key, RANGES[0]) if isinstance(key, str) else RANGES[0]


@dataclass(frozen=True)
class Tick:
    """day: the day is worth more here than the time of day."""

    at: datetime
    text: str
    day: bool = False


@dataclass(frozen=True)
class Spans:
    """A series as the charts of one range need it: even spans, newest last."""

    range: Range
    begin: datetime
    points: tuple[Point | None, ...]

    @classmethod
    def of(cls, series: Series, wanted: Range) -> Spans:
        """Spans begin at round times, so that a line moves along but keeps its shape;
        the newest one is what there is of it yet, or the one before while there is
        nothing."""
        count = wanted.seconds // wanted.step
        newest = floor(series.end - timedelta(seconds=1), wanted.step)
        if not any(point for at, point in series if at >= newest):
            newest -= timedelta(seconds=wanted.step)
        begin = newest - timedelta(seconds=wanted.step * (count - 1))
        found: list[list[Point]] = [[] for _ in range(count)]
        for at, point in series:
            if point is not None and begin <= at:
                found[int((at - begin).total_seconds()) // wanted.step].append(point)
        return cls(wanted, begin, tuple(merge(p) if p else None for p in found))

    def column(self, ask: Callable[[Point], float | None]) -> list[float | None]:
        return [None if point is None else ask(point) for point in self.points]

    @cached_property
    def ticks(self) -> tuple[Tick, ...]:
        """Five times from the beginning to the end, quarters apart."""
        length = timedelta(seconds=self.range.seconds)
        times = [self.begin + length * part / 4 for part in range(5)]
        if self.range.seconds > 86400:
            return tuple(Tick(at, f"{at:%a} {at.day}", day=True) for at in times)
        texts = [f"{at:%H:%M}" for at in times]
        texts[-1] += " UTC"  # until the browser has put in its own time zone
        return tuple(Tick(*pair) for pair in zip(times, texts, strict=True))
