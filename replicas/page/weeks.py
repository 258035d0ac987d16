"""The weekly schedule as a picture: a line for each day, a bar for each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from endpoints.schedule import InForce, Window
from endpoints.week import LONG_DAYS, span_words
from replicas.page.words import Sentence, moment, say

# Widths are minutes of the day.
DAY = 24 * 60


@dataclass(frozen=True)
class Bar:
    """x, width: minutes of the day. kind: "kept", or "none" where nothing is kept."""

    x: int
    width: int
    kind: str
    words: str


@dataclass(frozen=True)
class DayLine:
    """One day. spoken: what a screen reader says of it. now: minutes, today only."""

    name: str
    bars: tuple[Bar, ...]
    spoken: str
    now: int | None = None


def week_lines(windows: Sequence[Window], zone: str, now: datetime) -> list[DayLine]:
    """Monday first; a time that goes on over midnight is drawn on both days."""
    here = now.astimezone(ZoneInfo(zone))
    return [_line(windows, number, here) for number in range(7)]


def _line(windows: Sequence[Window], number: int, here: datetime) -> DayLine:
    bars: list[Bar] = []
    # The highest holds: it is drawn last, above the others.
    for window in sorted(windows, key=lambda w: w.min_replicas):
        begins, ends = _minutes(window.begins), _minutes(window.ends)
        over = ends <= begins
        if window.days >> number & 1:
            bars.append(_bar(begins, DAY if over else ends, window))
        if over and ends and window.days >> (number - 1) % 7 & 1:
            bars.append(_bar(0, ends, window))
    bars = [bar for bar in bars if bar.width]
    told = ", ".join(bar.words for bar in sorted(bars, key=lambda bar: bar.x))
    today = here.weekday() == number
    return DayLine(
        LONG_DAYS[number][:3],
        tuple(bars),
        f"{LONG_DAYS[number]}: {told or 'as the minimum says'}",
        _minutes(here.time()) if today else None,
    )


def _minutes(clock: time) -> int:
    return clock.hour * 60 + clock.minute


def _bar(begins: int, ends: int, window: Window) -> Bar:
    kept = window.min_replicas
    words = f"{span_words(window)}: keep {kept}"
    return Bar(begins, ends - begins, "kept" if kept else "none", words)


def force_words(own: int, force: InForce, now: datetime) -> Sentence:
    """ "Now it keeps 2, until 18:00." own: the endpoint's minimum."""
    kept = own if force.minimum is None else force.minimum
    if force.until is None:
        return say(f"Now it keeps {kept}.")
    return say(f"Now it keeps {kept}, until ", moment(force.until, now), ".")
