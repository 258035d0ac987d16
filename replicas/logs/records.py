"""How a line of a replica's log is written down. Pure.

One record is one line of text, in an attempt's file and in the live stream alike:

    1042 1763839123123456789 oi- Model loaded in 14.2s

its number within the attempt (from 1, without holes), nanoseconds since the epoch,
three letters (source, level, and `r` for a line that redrew itself or `g` for one of
ours that stands for lines left out before it), and the text, which holds neither a
newline nor a carriage return.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

SOURCES = {"o": "stdout", "e": "stderr", "s": "system"}
LEVELS = {"i": "info", "w": "warn", "e": "error"}
# Letters of a line that stands for all after the line before it, up to its own time.
GAP = "swg"
# Letters of a line that stands for what a damaged file no longer tells.
DAMAGE = "sw-"
_FLAGS = {src + level + mark for src in SOURCES for level in LEVELS for mark in "-rg"}
# Of nanoseconds since the epoch: those that fit in 64 bits.
_DIGITS = 19
SOURCE_LETTERS = {word: letter for letter, word in SOURCES.items()}
LEVEL_LETTERS = {word: letter for letter, word in LEVELS.items()}


class Draft(NamedTuple):
    """A line that has no number yet; `flags` are its three letters."""

    at: int
    flags: str
    text: str


class Record(NamedTuple):
    n: int
    at: int
    flags: str
    text: str


@dataclass(frozen=True)
class Attempt:
    """Whose log it is: `number` is what people see, "Replica 2"."""

    endpoint_id: int
    replica_id: int
    attempt: int
    number: int = 0

    @property
    def key(self) -> str:
        """Names the attempt within its endpoint: "17:2"."""
        return f"{self.replica_id}:{self.attempt}"


@dataclass(frozen=True)
class Line:
    """A line as others read it; `at` in nanoseconds since the epoch."""

    attempt: Attempt
    n: int
    at: int
    src: str
    level: str
    cr: bool
    text: str

    def to_page(self) -> dict[str, Any]:
        """For the browser: `t` in milliseconds, which its numbers hold exactly."""
        page: dict[str, Any] = {
            "k": self.attempt.key,
            "n": self.n,
            "t": self.at // 1000 / 1000,
            "r": self.attempt.number,
            "a": self.attempt.attempt,
            "src": self.src,
            "level": self.level,
            "text": self.text,
        }
        if self.cr:
            page["cr"] = True
        return page


def flags(src: str, level: str, *, cr: bool = False) -> str:
    """
    >>> flags("stderr", "warn")
    'ew-'
    """
    return SOURCE_LETTERS[src] + LEVEL_LETTERS[level] + ("r" if cr else "-")


def encode(drafts: Sequence[Draft], first: int) -> str:
    """Their records, numbered from `first`."""
    return "".join(
        f"{n} {at} {letters} {text}\n"
        for n, (at, letters, text) in enumerate(drafts, first)
    )


def decode(block: str) -> list[Record]:
    """The records in `block`, which ends with a newline or is empty.

    In place of what cannot be read stands a line of ours that says so.
    """
    records: list[Record] = []
    raws = block.split("\n")
    for raw in raws:
        if raw:
            try:
                n, at, letters, text = raw.split(" ", 3)
                record = Record(int(n), int(at), letters, text)
            except ValueError:
                return _with_damage(raws)
            if letters not in _FLAGS or len(at) > _DIGITS:
                return _with_damage(raws)
            records.append(record)
    return records


def _with_damage(raws: list[str]) -> list[Record]:
    records: list[Record] = []
    broken: list[str] = []
    for raw in raws:
        record = _read(raw)
        if record is not None:
            if broken:
                records.append(_damage(broken, records, record))
                broken = []
            records.append(record)
        elif raw:
            broken.append(raw)
    if broken:
        records.append(_damage(broken, records, None))
    return records


def first_whole(block: str) -> Record | None:
    """The first record in `block` that can be read."""
    return next(filter(None, map(_read, block.split("\n"))), None)


def time_in(head: bytes) -> int | None:
    """Time of the record that begins with these bytes; None where it is damaged."""
    words = head.split(b" ", 2)
    if len(words) < 3 or not (words[0].isdigit() and words[1].isdigit()):
        return None
    return int(words[1]) if len(words[1]) <= _DIGITS else None


def _read(raw: str) -> Record | None:
    words = raw.split(" ", 3)
    if len(words) < 4 or words[2] not in _FLAGS:
        return None
    n, at, letters, text = words
    if not (n.isdecimal() and at.isdecimal()) or max(len(n), len(at)) > _DIGITS:
        return None
    return Record(int(n), int(at), letters, text)


def _damage(broken: list[str], before: list[Record], after: Record | None) -> Record:
    """It has the number of the last of them, where that is known."""
    known = before[-1] if before else None
    at = known.at if known else after.at if after else 0
    n = after.n - 1 if after else len(broken) + (known.n if known else 0)
    size = sum(map(len, broken))
    text = f"Part of this log cannot be read: its file is damaged ({size:,} letters)."
    return Record(n, at, DAMAGE, text)


def lines(attempt: Attempt, records: Iterable[Record]) -> list[Line]:
    return [
        Line(
            attempt=attempt,
            n=n,
            at=at,
            src=SOURCES[letters[0]],
            level=LEVELS[letters[1]],
            cr=letters[2] == "r",
            text=text,
        )
        for n, at, letters, text in records
    ]
