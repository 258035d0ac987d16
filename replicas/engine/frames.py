"""The engine's output format, taken apart. Pure and quick.

Output comes in frames: one byte stream number, three of nothing, four of length, and
the payload. With timestamps on, each payload starts with `2026-01-31T12:00:00.`, nine
digits, `Z` and a space. Lines over 16 KiB come as frames that share one timestamp, each
with the prefix repeated; only the last one ends with a newline.
"""

from __future__ import annotations

import codecs
from calendar import timegm

from replicas.engine.base import LogChunk

STREAMS = {0: "stdout", 1: "stdout", 2: "stderr"}
_HEADER = 8
# "2026-01-31T12:00:00" and "2026-01-31T12:00:00.123456789Z "
_SECONDS = 19
_PREFIX = 31


class RawReader:
    """Frames from pieces of any size: `feed` gives (stream, payload) pairs."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        held = self._held + data if self._held else data
        size, at = len(held), 0
        found = []
        while size - at >= _HEADER:
            end = at + _HEADER + int.from_bytes(held[at + 4 : at + _HEADER], "big")
            if end > size:
                break
            found.append((STREAMS.get(held[at], "stdout"), held[at + _HEADER : end]))
            at = end
        self._held = held[at:] if at < size else b""
        return found


class LogReader:
    """Lines with their time from pieces of any size."""

    def __init__(self) -> None:
        self._raw = RawReader()
        self._clock = _Clock()
        # A cut line's decoder, so that a letter split between frames survives.
        self._cut: dict[str, codecs.IncrementalDecoder] = {}

    def feed(self, data: bytes) -> list[LogChunk]:
        read, cut = self._clock.read, self._cut
        lines = []
        for stream, payload in self._raw.feed(data):
            at, text = read(payload)
            if text.endswith(b"\n") and stream not in cut:
                lines.append(LogChunk(at, stream, text[:-1].decode("utf-8", "replace")))
            else:
                lines.append(self._part(at, stream, text))
        return lines

    def _part(self, at: int, stream: str, text: bytes) -> LogChunk:
        complete = text.endswith(b"\n")
        decoder = self._cut.setdefault(stream, _DECODER("replace"))
        part = decoder.decode(text[:-1] if complete else text, final=complete)
        if complete:
            del self._cut[stream]
        return LogChunk(at, stream, part, complete)


class _Clock:
    """Reads timestamps, remembering the last second: most lines share it."""

    def __init__(self) -> None:
        self._second = b""
        self._ns = 0

    def read(self, payload: bytes) -> tuple[int, bytes]:
        """Nanoseconds since the epoch, and what follows the timestamp."""
        if payload[29:_PREFIX] != b"Z ":
            return self._odd(payload)
        second = payload[:_SECONDS]
        if second != self._second:
            self._ns = _epoch(second) * 1_000_000_000
            self._second = second
        return self._ns + int(payload[20:29]), payload[_PREFIX:]

    def _odd(self, payload: bytes) -> tuple[int, bytes]:
        # Fewer digits than nine, as other engines write.
        stamp, space, text = payload.partition(b" ")
        if not space or len(stamp) < _SECONDS + 1 or stamp[10:11] != b"T":
            return 0, payload
        digits = stamp[_SECONDS + 1 :].rstrip(b"Z").ljust(9, b"0")[:9]
        part = int(digits) if digits.isdigit() else 0
        return _epoch(stamp[:_SECONDS]) * 1_000_000_000 + part, text


_DECODER = codecs.getincrementaldecoder("utf-8")


def _epoch(second: bytes) -> int:
    """Seconds since the epoch of `2026-01-31T12:00:00`, in UTC."""
    digits = second.decode("ascii", "replace")
    date = [int(part) for part in digits[:10].split("-")]
    time = [int(part) for part in digits[11:].split(":")]
    return timegm((*date, *time))
