"""The weekly schedule as a person edits it: rows of days, times and a minimum.

A row posts window-N-days (one for each day), window-N-begins, -ends and -keep.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.http import QueryDict

from endpoints import sizing, week
from endpoints.models import Endpoint
from endpoints.schedule import Window

# Empty rows for people who cannot add one by script.
_SPARE_ROWS = 2
_KEY = re.compile(r"window-(\d{1,4})-(?:days|begins|ends|keep)\Z")
_WHOLE = re.compile(r"[0-9]{1,4}\Z")


@dataclass(frozen=True)
class WindowRow:
    """One row, as typed. problems: sentences by "days", "begins", "ends", "keep"."""

    number: int
    days: tuple[str, ...] = ()
    begins: str = ""
    ends: str = ""
    keep: str = ""
    spare: bool = False
    problems: tuple[tuple[str, str], ...] = ()

    @property
    def blank(self) -> bool:
        """Nothing is chosen; a number alone is what a new row begins with."""
        return not (self.days or self.begins or self.ends)

    @property
    def wrong(self) -> dict[str, str]:
        return dict(self.problems)

    @property
    def problem(self) -> str:
        """The first of its problems."""
        return next((text for _, text in self.problems), "")

    @property
    def choices(self) -> list[tuple[str, str, str, bool]]:
        """Each day: what is posted, how it is written short and in full, chosen."""
        named = zip(week.DAYS, week.LONG_DAYS, strict=True)
        return [(day, day.capitalize(), name, day in self.days) for day, name in named]

    @property
    def window(self) -> Window:
        """Only for a row without a problem."""
        begins, ends = week.time_of(self.begins), week.time_of(self.ends)
        assert begins is not None  # noqa: S101 - for the types
        assert ends is not None  # noqa: S101 - for the types
        return Window(week.bits_of(self.days), begins, ends, int(self.keep))


class ScheduleForm:
    """What is there, or with `data` what was posted."""

    def __init__(self, endpoint: Endpoint, data: QueryDict | None = None) -> None:
        self.endpoint = endpoint
        self.is_bound = data is not None
        if data is None:
            self.zone = endpoint.schedule_zone
            self._rows = [
                _shown(number, window)
                for number, window in enumerate(sizing.windows_of(endpoint))
            ]
        else:
            self.zone = data.get("zone", "").strip()
            self._rows = _posted(data, endpoint.max_replicas)

    @property
    def rows(self) -> list[WindowRow]:
        """Those of the page, with spare ones."""
        first = max((row.number for row in self._rows), default=-1) + 1
        spares = (_new(first + more) for more in range(_SPARE_ROWS))
        return [*self._rows, *spares]

    @property
    def template_row(self) -> WindowRow:
        """What scripts make new rows from."""
        return replace(_new(0), spare=False)

    @property
    def usual_zone(self) -> str:
        """What an empty zone means."""
        return sizing.zone_of(Endpoint())

    @property
    def zone_problem(self) -> str:
        return week.zone_problem(self.zone) if self.is_bound else ""

    @property
    def too_many(self) -> str:
        over = len(self._rows) > week.WINDOWS_MAX
        return f"Keep it to {week.WINDOWS_MAX} times of the week." if over else ""

    @property
    def count(self) -> int:
        """Fields that need a change."""
        rows = sum(len(row.problems) for row in self._rows)
        return rows + bool(self.zone_problem) + bool(self.too_many)

    @property
    def summary(self) -> str:
        if self.count == 1:
            return "One field needs a change."
        return f"{self.count} fields need a change." if self.count else ""

    @property
    def windows(self) -> list[Window]:
        """Of the rows without a problem."""
        return [row.window for row in self._rows if not row.problems]


def _new(number: int) -> WindowRow:
    return WindowRow(number, keep="1", spare=True)


def _shown(number: int, window: Window) -> WindowRow:
    return WindowRow(
        number,
        tuple(week.days_of(window.days)),
        f"{window.begins:%H:%M}",
        f"{window.ends:%H:%M}",
        str(window.min_replicas),
    )


def _posted(data: QueryDict, most: int) -> list[WindowRow]:
    """The rows that are not blank, checked, in the page's order."""
    numbers = sorted({int(found[1]) for key in data if (found := _KEY.match(key))})
    rows = (
        WindowRow(
            number,
            tuple(_known(data.getlist(f"window-{number}-days"))),
            data.get(f"window-{number}-begins", "").strip(),
            data.get(f"window-{number}-ends", "").strip(),
            data.get(f"window-{number}-keep", "").strip(),
        )
        for number in numbers
    )
    return [
        replace(row, problems=_problems(row, most)) for row in rows if not row.blank
    ]


def _known(days: Iterable[str]) -> Iterable[str]:
    return (day for day in days if day in week.DAYS)


def _problems(row: WindowRow, most: int) -> tuple[tuple[str, str], ...]:
    count = int(row.keep) if _WHOLE.match(row.keep) else None
    found = {
        "days": "" if row.days else week.NO_DAYS,
        "begins": week.NO_TIME if week.time_of(row.begins) is None else "",
        "ends": week.NO_TIME if week.time_of(row.ends) is None else "",
        "keep": week.keep_problem(count, most),
    }
    return tuple((field, text) for field, text in found.items() if text)
