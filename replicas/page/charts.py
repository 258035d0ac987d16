"""The charts of an endpoint, ready to be put into its page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from replicas.metrics.point import Start
from replicas.metrics.series import Series
from replicas.page import plot
from replicas.page.plans import More, Plan, plans
from replicas.page.spans import Range, Spans, Tick
from replicas.page.words import elapsed


@dataclass(frozen=True)
class Line:
    """kind: its class in CSS. say: what a value means, "#" standing for it. Of a
    line that is not the first, values of 0 go without saying."""

    kind: str
    say: str
    values: tuple[float | None, ...]
    path: str


@dataclass(frozen=True)
class Key:
    """What one more line in the picture is, and its newest value."""

    kind: str
    text: str


@dataclass(frozen=True)
class Mark:
    """Something that happened at one value's time."""

    index: int
    x: int
    text: str


@dataclass(frozen=True)
class Chart:
    """One picture. begin, step: of the values. top: of the scale, whose labels are
    `scale`, from above. value, unit: the newest. none: said where nothing is known."""

    key: str
    title: str
    spoken: str
    begin: datetime
    step: int
    top: float
    scale: tuple[str, str, str]
    ticks: tuple[Tick, ...]
    value: str
    unit: str
    area: str
    lines: tuple[Line, ...]
    none: str
    help: str = ""
    keys: tuple[Key, ...] = ()
    marks: tuple[Mark, ...] = ()

    @cached_property
    def data(self) -> str:
        """What chart.js needs to say a value under the pointer."""
        return json.dumps(
            {
                "at": int(self.begin.timestamp()),
                "step": self.step,
                "top": self.top,
                "none": self.none,
                "lines": [[line.say, line.values] for line in self.lines],
                "marks": {mark.index: mark.text for mark in self.marks},
            },
            separators=(",", ":"),
            ensure_ascii=False,
        )


def charts(series: Series, wanted: Range) -> tuple[list[Chart], list[Chart]]:
    """Those that are seen at once, and those that are unfolded."""
    spans = Spans.of(series, wanted)
    first, rest = plans(spans)
    return [_draw(plan, spans) for plan in first], [_draw(plan, spans) for plan in rest]


def had_requests(series: Series) -> bool:
    return any(point and point.requests for point in series.points)


def _draw(plan: Plan, spans: Spans) -> Chart:
    values = _rounded(plan.values)
    more = [(line, _rounded(line.values)) for line in plan.more]
    more = [(line, found) for line, found in more if line.always or any(found)]
    everything = [*values, *(v for _, found in more for v in found)]
    top = plan.top or plot.scale(everything, whole=plan.whole)
    newest = values[-1]
    marks = _marks(plan.starts, spans)
    return Chart(
        key=plan.key,
        title=plan.title,
        spoken=_spoken(plan, values, spans.range),
        begin=spans.begin,
        step=spans.range.step,
        top=top,
        scale=(plot.label(top), plot.label(top / 2), "0"),
        ticks=spans.ticks,
        value="–" if newest is None else plot.told(newest),
        unit="" if newest is None else plan.unit,
        area=plot.area(values, top),
        lines=(
            Line("line", plan.say, values, plot.line(values, top)),
            *(
                Line(
                    line.kind,
                    line.say,
                    found,
                    plot.line(found if line.always else plot.sparse(found), top),
                )
                for line, found in more
            ),
        ),
        none=plan.none,
        help=plan.help,
        keys=(*_keys(more), *_cold_key(plan.starts)),
        marks=marks,
    )


def _rounded(values: Sequence[float | None]) -> tuple[float | None, ...]:
    return tuple(None if value is None else plot.shown(value) for value in values)


def _keys(more: Iterable[tuple[More, Sequence[float | None]]]) -> list[Key]:
    return [
        Key(line.kind, line.key if v[-1] is None else _now(line, v[-1]))
        for line, v in more
    ]


def _now(line: More, value: float) -> str:
    return f"{line.key} {plot.told(value)} {line.unit}".rstrip()


def _cold_key(starts: Sequence[Start]) -> list[Key]:
    if not starts:
        return []
    count = len(starts)
    return [Key("cold", "1 cold start" if count == 1 else f"{count} cold starts")]


def _marks(starts: Iterable[Start], spans: Spans) -> tuple[Mark, ...]:
    """Cold starts, those within one span together."""
    last = max(1, len(spans.points) - 1)
    found: dict[int, list[float]] = {}
    for start in starts:
        index = int(start.at - spans.begin.timestamp()) // spans.range.step
        found.setdefault(min(max(index, 0), last), []).append(start.seconds)
    return tuple(
        Mark(index, plot.across(index / last), _cold(sorted(took)))
        for index, took in sorted(found.items())
    )


def _cold(took: Sequence[float]) -> str:
    if len(took) == 1:
        return f"cold start, {elapsed(took[0])}"
    return f"{len(took)} cold starts, {elapsed(took[0])} to {elapsed(took[-1])}"


def _spoken(plan: Plan, values: Sequence[float | None], span: Range) -> str:
    """The picture's label: what it is, how much now, how much at most."""
    known = [value for value in values if value is not None]
    said = f"{plan.what}, {span.spoken}"
    if not known:
        return f"{said}: {plan.none.lower()}"
    newest = "none" if values[-1] is None else plot.told(values[-1])
    said += f": now {newest}, at most {plot.told(max(known))}"
    if plan.starts:
        what = "cold start is" if len(plan.starts) == 1 else "cold starts are"
        said += f". {len(plan.starts)} {what} marked"
    return said
