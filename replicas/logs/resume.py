"""Where to go on following a container, and what of it is already on file.

The engine gives output from a moment on, inclusively. What an attempt's file holds from
shortly before its last line is therefore counted, and dropped when it comes again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from replicas.engine.base import LogChunk
from replicas.logs import files
from replicas.logs.records import SOURCE_LETTERS, Attempt, Record

# Lines of ours in a row after which the container's own are looked for everywhere.
_OURS = 200


@dataclass
class Position:
    """since: nanoseconds, inclusive; 0 for all. known: (at, source letter) of lines on
    file, with how often."""

    since: int = 0
    known: Counter[tuple[int, str]] = field(default_factory=Counter)

    def fresh(self, lines: list[LogChunk]) -> list[LogChunk]:
        """Those that are not on file yet."""
        if not self.known:
            return lines
        return [line for line in lines if not self._had(line)]

    def _had(self, line: LogChunk) -> bool:
        key = (line.at, SOURCE_LETTERS[line.stream])
        left = self.known.get(key, 0)
        if left > 1:
            self.known[key] = left - 1
        elif left:
            del self.known[key]
        return left > 0


def position(attempt: Attempt, now: int, margin: int) -> Position:
    """Where to follow from: `margin` before the last line; all in nanoseconds."""
    recent = _container_lines(files.last_records(attempt, _OURS))
    if recent and recent[-1].at <= now:
        since = recent[-1].at - margin
        records = _container_lines(files.records_since(attempt, since))
        if all(record.at <= recent[-1].at + margin for record in records):
            return Position(since, _count(r for r in records if r.at >= since))
    # Nothing yet, or the clock went back: times say nothing, so take all again.
    return Position(0, _count(_everything(attempt)))


def _everything(attempt: Attempt) -> Iterable[Record]:
    for block in files.blocks(attempt):
        yield from _container_lines(block)


def _container_lines(records: Iterable[Record]) -> list[Record]:
    return [record for record in records if record.flags[0] != "s"]


def _count(records: Iterable[Record]) -> Counter[tuple[int, str]]:
    return Counter((record.at, record.flags[0]) for record in records)
