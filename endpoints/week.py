"""Times of the week as people write and read them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import time

from endpoints.rules import REPLICAS_MAX
from endpoints.schedule import ALL_DAYS, Window, known_zone

# In the order of the bits of `Window.days`.
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONG_DAYS = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip
WINDOWS_MAX = 20
_MIDNIGHT = time(0, 0)

NO_DAYS = "Choose at least one day."
NO_TIME = 'Write a time of day, such as "09:00".'


def bits_of(days: Collection[str]) -> int:
    """Of short names; others count for nothing."""
    return sum(1 << number for number, day in enumerate(DAYS) if day in days)


def days_of(bits: int) -> list[str]:
    return [day for number, day in enumerate(DAYS) if bits >> number & 1]


def time_of(text: str) -> time | None:
    """ "09:00" and the like, to the minute; 24:00 is the end of the day: 00:00."""
    try:
        found = time.fromisoformat("00:00" if text == "24:00" else text)
    except ValueError:
        return None
    return None if found.tzinfo else found.replace(second=0, microsecond=0)


def zone_problem(zone: str) -> str:
    """ "" is the console's own zone."""
    if not zone or known_zone(zone):
        return ""
    return 'Write a time zone as a place, such as "Europe/Berlin" or "UTC".'


def keep_problem(count: int | None, most: int) -> str:
    """most: the endpoint's maximum."""
    if count is not None and 0 <= count <= most:
        return ""
    if count is not None and most < count <= REPLICAS_MAX:
        return f"Keep at most {most}, or raise the maximum first."
    return f"Keep 0 to {most} replicas."


def day_words(bits: int) -> str:
    """ "Every day", "Mon to Fri", "Sat and Sun", "Mon, Wed and Fri"."""
    if bits == ALL_DAYS:
        return "Every day"
    words = [_run_words(run) for run in _runs(bits)]
    flat = [word for group in words for word in group]
    *first, last = flat or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _run_words(run: list[int]) -> list[str]:
    names = [DAYS[number].capitalize() for number in run]
    return [f"{names[0]} to {names[-1]}"] if len(names) > 2 else names


def _runs(bits: int) -> Iterable[list[int]]:
    """Days that follow each other, as numbers."""
    run: list[int] = []
    for number in range(7):
        if bits >> number & 1:
            run.append(number)
        elif run:
            yield run
            run = []
    if run:
        yield run


def span_words(window: Window) -> str:
    """ "09:00 to 18:00", "22:00 to 06:00 the next day", "all day"."""
    if window.begins == window.ends == _MIDNIGHT:
        return "all day"
    begins, ends = f"{window.begins:%H:%M}", f"{window.ends:%H:%M}"
    if window.ends == _MIDNIGHT:
        return f"{begins} to 24:00"
    over = " the next day" if window.ends <= window.begins else ""
    return f"{begins} to {ends}{over}"


def window_words(window: Window) -> str:
    """ "Mon to Fri, 09:00 to 18:00: keep 2"."""
    days = day_words(window.days)
    return f"{days}, {span_words(window)}: keep {window.min_replicas}"
