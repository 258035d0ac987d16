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
from replicas.logs.records import GAP, SOURCE_LETTERS, Attempt, Record

# How much the times of the two streams may be out of order (ns).
_ORDER = 100_000_000
# Lines of ours in a row after which the container's own are looked for everywhere.
_OURS = 200


@dataclass
class Position:
    """since: nanoseconds, inclusive; 0 for all. last: time of the newest line on file.
    lines: how many are on file from a little before `since` on; 0 when these are all.

    known: (at, source letter) of lines on file, with how often. left_out: spans of
    time, both ends included, of which what is not known was left out and said so.
    """

    since: int = 0
    last: int = 0
    lines: int = 0
    known: Counter[tuple[int, str]] = field(default_factory=Counter)
    left_out: list[tuple[int, int]] = field(default_factory=list)

    def fresh(self, lines: list[LogChunk]) -> list[LogChunk]:
        """Those that are not on file yet."""
        if not self.known and not self.left_out:
            return lines
        return [line for line in lines if not self._had(line)]

    def _had(self, line: LogChunk) -> bool:
        key = (line.at, SOURCE_LETTERS[line.stream])
        left = self.known.get(key, 0)
        if left > 1:
            self.known[key] = left - 1
        elif left:
            del self.known[key]
        return left > 0 or any(begin <= line.at <= end for begin, end in self.left_out)


def position(attempt: Attempt, now: int, margin: int) -> Position:
    """Where to follow from: `margin` before the last line; all in nanoseconds."""
    recent = _container_lines(files.last_records(attempt, _OURS))
    if recent and recent[-1].at <= now:
        since = recent[-1].at - margin
        begin = since - 2 * _ORDER
        records = _container_lines(files.records_since(attempt, begin))
        if all(record.at <= recent[-1].at + margin for record in records):
            found = _known((r for r in records if r.at >= since), since)
            found.since, found.last = since, max(record.at for record in records)
            if records[0].at < begin:
                found.lines = sum([record.at >= begin for record in records])
            return found
    # Nothing yet, or the clock went back: times say nothing, so take all again.
    return _known(_everything(attempt), 0)


def _everything(attempt: Attempt) -> Iterable[Record]:
    for block in files.blocks(attempt):
        yield from _container_lines(block)


def _container_lines(records: Iterable[Record]) -> list[Record]:
    """Its own, and what stands in their place."""
    return [r for r in records if r.flags[0] != "s" or r.flags == GAP]


def _known(records: Iterable[Record], since: int) -> Position:
    found = Position()
    before = since
    for record in records:
        if record.flags == GAP:
            found.left_out.append((before, record.at))
        else:
            found.known[record.at, record.flags[0]] += 1
        before = record.at
    return found
