"""Whether a regular expression is one that cannot take long. Pure.

Browsers match a template's hints against every line of a log, and try one possibility
after the other: `(a+)+b` takes longer than the universe is old on fifty letters. Who
shares a template, and whose image writes the log, could freeze others' pages.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# Python's own reading of the pattern, as a tree. It has no public name.
_parser: Any = importlib.import_module("re._parser")

# Repeats that may take as much as they like, and choices of any other kind.
ENDLESS_MAX, CHOICES_MAX = 2, 8
# From here on a repeat with an end is one without.
_MANY = 32

NESTED = "leave out a repeat or a choice inside a repeat, such as (a+)+ or (a|b c)*"
ENDLESS = f"use at most {ENDLESS_MAX} repeats without an end, such as .*"
CHOICES = f"use at most {CHOICES_MAX} choices, such as a? or a|b"
ODD = "write [ and ] inside brackets as \\[ and \\]"
BACK = "leave out references such as \\1, (?=…) and (?!…)"


@dataclass(frozen=True)
class _Part:
    """A part of the pattern where there is more than one way to go on."""

    kind: str
    # The most it repeats; inside: whether it is in a repeat itself.
    most: int
    inside: bool


def slow_problem(pattern: str) -> str:
    """What could make it slow, as something to do; "" when nothing can.

    The pattern is one that Python compiles. What JavaScript reads in another way is
    refused, or it could hide something here that is there.
    """
    if "[]" in pattern or "[^]" in pattern:
        return ODD
    parts = list(_parts(_parser.parse(pattern), inside=False))
    if any(part.kind == "back" for part in parts):
        return BACK
    if any(part.inside for part in parts):
        return NESTED
    if sum(part.most >= _MANY for part in parts) > ENDLESS_MAX:
        return ENDLESS
    if sum(part.most < _MANY for part in parts) > CHOICES_MAX:
        return CHOICES
    return ""


def _parts(tree: Any, *, inside: bool) -> Iterator[_Part]:
    for code, value in tree:
        match str(code):
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, most, inner = int(value[0]), int(value[1]), value[2]
                if least != most:
                    yield _Part("repeat", most, inside)
                yield from _parts(inner, inside=inside or most > 1)
            case "BRANCH":
                yield _Part("branch", 0, inside)
                for inner in value[1]:
                    yield from _parts(inner, inside=inside)
            case "SUBPATTERN":
                yield from _parts(value[3], inside=inside)
            case "GROUPREF" | "GROUPREF_EXISTS" | "ASSERT" | "ASSERT_NOT":
                yield _Part("back", 0, inside)
            case "ATOMIC_GROUP":
                yield from _parts(value, inside=inside)
