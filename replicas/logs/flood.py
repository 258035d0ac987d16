"""What is left out of a container's output, and the lines that say so. Pure.

A container may write faster than anybody reads, for hours. So much of each minute is
kept; in place of the rest stands one line with its size. What the engine threw away
before it was read is said in the same way.
"""

from __future__ import annotations

from datetime import UTC, datetime

from replicas.engine.base import LOST, LogChunk

# Stream of the line that stands for others: see `records.GAP`.
GAP = "gap"
_NS = 1_000_000_000
_MB = 1_000_000
# Before lines are kept again there is room for this part of a minute's.
_PART = 6


class Budget:
    """per_minute: letters kept in any minute; 0 for all. Times: monotonic seconds."""

    def __init__(self, per_minute: int, now: float) -> None:
        self._most = float(per_minute)
        self._left = self._most
        self._at = now
        self._lines = 0
        self._letters = 0
        self._last = 0

    def take(self, lines: list[LogChunk], now: float) -> list[LogChunk]:
        """Those that are kept, and a line for those before them that were not."""
        if not self._most:
            return lines
        self._left = min(self._most, self._left + (now - self._at) * self._most / 60)
        self._at = now
        if self._lines and (self._left < self._most / _PART or not lines):
            return self._leave_out(lines)
        # What shares a time with what was left out is told apart by nobody.
        shared = 0
        while self._lines and shared < len(lines) and lines[shared].at <= self._last:
            shared += 1
        if shared:
            self._leave_out(lines[:shared])
            lines = lines[shared:]
        said = self.said()
        size = sum([len(line.text) for line in lines])
        if size <= self._left:
            self._left -= size
            return said + lines if said else lines
        kept = 0
        while kept < len(lines) and len(lines[kept].text) <= self._left:
            self._left -= len(lines[kept].text)
            kept += 1
        return said + lines[:kept] + self._leave_out(lines[kept:])

    def said(self) -> list[LogChunk]:
        """The line for what was left out since the last one; none when nothing was."""
        if not self._lines:
            return []
        many = "1 line was" if self._lines == 1 else f"{self._lines:,} lines were"
        text = (
            f"{many} left out here ({self._letters / _MB:,.1f} MB): this container"
            f" wrote more than {self._most / _MB:,.0f} MB in a minute."
        )
        line = LogChunk(self._last, GAP, text)
        self._lines = self._letters = 0
        return [line]

    def _leave_out(self, lines: list[LogChunk]) -> list[LogChunk]:
        self._lines += len(lines)
        self._letters += sum([len(line.text) for line in lines])
        self._last = max([self._last, *(line.at for line in lines)])
        return []


def is_lost(batch: list[LogChunk]) -> bool:
    return batch[0].stream == LOST


def lost_line(chunk: LogChunk, last: int) -> list[LogChunk]:
    """For a chunk of the stream LOST. last: time of the newest line on file (ns).

    None where that is no older than what the engine still has.
    """
    before = max(last, int(chunk.text))
    if before >= chunk.at:
        return []
    text = (
        f"Lines written between {_clock(before)} and {_clock(chunk.at)} were lost: the"
        " engine keeps only the newest of what a container writes, and they were not"
        " read in time."
    )
    return [LogChunk(chunk.at - 1, GAP, text)]


def _clock(at: int) -> str:
    moment = datetime.fromtimestamp(at // _NS, UTC)
    return f"{moment:%H:%M:%S}.{at % _NS // 1_000_000:03d}"
