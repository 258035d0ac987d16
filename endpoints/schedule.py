"""Which minimum of replicas is in force now, and when that changes next. Pure.

A window begins and ends by the clocks of its zone. Where clocks jump over a time, the
moment of the jump counts; where they show one twice, a window begins at the first and
ends at the second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

# Every bit of `Window.days`, Monday first.
ALL_DAYS = 127
# A window that began two days ago may still be in force. Within eight every change of
# a week has come; windows that begin later are there to be still in force then.
_BACK, _HORIZON, _AHEAD = timedelta(days=2), timedelta(days=8), timedelta(days=9)


@dataclass(frozen=True, order=True)
class Window:
    """A time of the week with a minimum of its own.

    days: bits, Monday is 1, Sunday 64. An end that is not after the beginning is on
    the next day.
    """

    days: int
    begins: time
    ends: time
    min_replicas: int


@dataclass(frozen=True)
class InForce:
    """minimum: None for the endpoint's own. until: when another comes; None: never."""

    minimum: int | None
    until: datetime | None


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def known_zone(name: str) -> bool:
    return name in _zones()


def in_force(
    windows: Sequence[Window],
    zone: str,
    warm_until: datetime | None,
    own: int,
    now: datetime,
) -> InForce:
    """The minimum at `now` (aware).

    Of several windows at once the highest holds. zone: an IANA name. own: the
    endpoint's minimum without any of this. warm_until: one replica at least till then.
    """
    spans = [
        (begin, end, window.min_replicas)
        for window in windows
        for begin, end in _spans(window, ZoneInfo(zone), now)
    ]

    def at(moment: datetime) -> int | None:
        asked = [m for begin, end, m in spans if begin <= moment < end]
        minimum = max(asked) if asked else None
        if warm_until is not None and moment < warm_until:
            minimum = max(1, own if minimum is None else minimum)
        return None if minimum == own else minimum

    last = now + _HORIZON
    edges = {e for begin, end, _ in spans for e in (begin, end) if e < last}
    if warm_until is not None:
        edges.add(warm_until)
    current = at(now)
    ahead = sorted(edge for edge in edges if edge > now)
    return InForce(current, next((e for e in ahead if at(e) != current), None))


def _spans(
    window: Window, zone: ZoneInfo, now: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Its times around `now`, in UTC."""
    today = now.astimezone(zone).date()
    day, last = today - _BACK, today + _AHEAD
    while day <= last:
        if window.days >> day.weekday() & 1:
            over = window.ends <= window.begins
            begin = _moment(day, window.begins, zone, fold=0)
            end = _moment(day + timedelta(days=over), window.ends, zone, fold=1)
            if begin < end:
                yield begin, end
        day += timedelta(days=1)


def _moment(day: date, clock: time, zone: ZoneInfo, *, fold: int) -> datetime:
    """When clocks of the zone show this, in UTC."""
    local = datetime.combine(day, clock, zone)
    first = local.replace(fold=0).astimezone(UTC)
    second = local.replace(fold=1).astimezone(UTC)
    if first <= second:
        return second if fold else first
    # Clocks jump over it: the second they jump lies between the two readings.
    return _jump(second, first, zone)


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The moment between these in which the zone's offset changes."""
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
