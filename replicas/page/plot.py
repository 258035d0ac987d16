"""Lines of numbers as SVG paths, scales with round numbers, and numbers as words.

A picture is WIDTH × HEIGHT of its own units and is stretched to the place it gets; what
must not stretch (lines, dots) says so in CSS. None is a gap: the line stops there
instead of dropping to zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import floor, isclose, log10

WIDTH, HEIGHT = 1000, 100

Values = Sequence[float | None]

# Below it the half of a scale would have three digits after the point.
_LEAST = 0.02
_ROUND = (1, 1.5, 2, 3, 4, 6, 8, 10)
# Of counted things, below ten and below a hundred.
_WHOLE = {1: (2, 4, 6, 8, 10), 10: (1, 2, 3, 4, 6, 8, 10)}


def scale(values: Values, *, whole: bool = False) -> float:
    """The top of an axis: round, a little above everything, and its half can be read.

    whole: of things that are counted, so that the half is a whole number too.
    """
    highest = max((v for v in values if v is not None), default=0) * 1.08
    if highest <= 0:
        return 2 if whole else 1
    unit = 10.0 ** floor(log10(highest))
    steps: Sequence[float] = _ROUND
    if whole:
        unit = max(unit, 1.0)
        steps = _WHOLE.get(int(unit), _ROUND)
    tops = (step * unit for step in steps if highest <= step * unit)
    return next((top for top in tops if isclose(shown(top / 2), top / 2)), _LEAST)


def across(part: float) -> int:
    """Where `part` (0 to 1) of the span lies."""
    return round(part * WIDTH)


def line(values: Values, top: float) -> str:
    """A path through the values; one that stands alone is a dash, which is seen."""
    return "".join(
        _run(points) if len(points) > 1 else _dash(*points[0])
        for points in _runs(values, top)
    )


def _dash(x: int, y: int) -> str:
    return f"M{x - 3} {y}h6"


def area(values: Values, top: float) -> str:
    """What lies under the line, closed at the bottom."""
    return "".join(
        f"{_run(points)}V{HEIGHT}H{points[0][0]}z"
        for points in _runs(values, top)
        if len(points) > 1
    )


def sparse(values: Values) -> Values:
    """With a gap where it is 0 for longer: only what happened is drawn."""
    padded = (None, *values, None)
    return [
        value if any(padded[index : index + 3]) else None
        for index, value in enumerate(values)
    ]


def _runs(values: Values, top: float) -> Iterator[list[tuple[int, int]]]:
    """Points without gaps between them."""
    last = max(1, len(values) - 1)
    points: list[tuple[int, int]] = []
    for index, value in enumerate(values):
        if value is not None:
            height = round(HEIGHT * (1 - min(value, top) / top))
            points.append((across(index / last), height))
        elif points:
            yield points
            points = []
    if points:
        yield points


def _run(points: Sequence[tuple[int, int]]) -> str:
    """From the first point on by steps, which are short and much alike: this packs."""
    path = "M{} {}l".format(*points[0])
    steps = [
        f"{x - before_x} {y - before_y}"
        for (before_x, before_y), (x, y) in pairwise(points)
    ]
    return path + " ".join(steps)


def shown(value: float) -> float:
    """Rounded as far as anybody wants to read: 128, 23, 2.6, 0.35; whole as int."""
    if value >= 9.95:
        return round(value)
    digits = 1 if value >= 0.95 else 2
    found = round(value, digits)
    return int(found) if found == int(found) else found


def told(value: float) -> str:
    """As `shown`, with commas: "12,480"."""
    return f"{shown(value):,}"


def label(value: float) -> str:
    """Beside an axis, where there is little room: "6k", "1.5k"."""
    return f"{shown(value / 1000)}k" if shown(value) >= 1000 else str(shown(value))
