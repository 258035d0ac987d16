"""The engine's output format, taken apart. Pure and quick.

Output comes in frames: one byte stream number, three of nothing, four of length, and
the payload. With timestamps on, each payload starts with `2026-01-31T12:00:00.`, nine
digits, `Z` and a space. Lines over 16 KiB come as frames that share one timestamp, each
with the prefix repeated; only the last one ends with a newline.
"""

from __future__ import annotations

import codecs
import struct
from calendar import timegm

from replicas.engine.base import LogChunk

STREAMS = {0: "stdout", 1: "stdout", 2: "stderr"}
_HEADER = 8
_LENGTH = struct.Struct(">I").unpack_from
_NEWLINE = ord("\n")
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
        self._held = b""
        self._clock = _Clock()
        # A cut line's decoder, so that a letter split between frames survives.
        self._cut: dict[str, codecs.IncrementalDecoder] = {}

    def feed(self, data: bytes) -> list[LogChunk]:
        """Every line of every container passes here: most need no call of ours."""
        held = self._held + data if self._held else data
        size, start = len(held), 0
        clock, cut, lines = self._clock, self._cut, []
        while size - start >= _HEADER:
            begin = start + _HEADER
            end = begin + _LENGTH(held, start + 4)[0]
            if end > size:
                break
            stream = STREAMS.get(held[start], "stdout")
            text = begin + _PREFIX
            if (
                text < end
                and held[end - 1] == _NEWLINE
                and held[text - 2 : text] == b"Z "
                and stream not in cut
            ):
                if held[begin : begin + _SECONDS] != clock.second:
                    clock.turn(held[begin : begin + _SECONDS])
                at = clock.ns + int(held[begin + _SECONDS + 1 : text - 2])
                said = held[text : end - 1].decode("utf-8", "replace")
                lines.append(LogChunk(at, stream, said))
            else:
                lines.append(self._part(stream, held[begin:end]))
            start = end
        self._held = held[start:] if start < size else b""
        return lines

    def _part(self, stream: str, payload: bytes) -> LogChunk:
        at, text = self._clock.read(payload)
        complete = text.endswith(b"\n")
        decoder = self._cut.setdefault(stream, _DECODER("replace"))
        part = decoder.decode(text[:-1] if complete else text, final=complete)
        if complete:
            del self._cut[stream]
        return LogChunk(at, stream, part, complete)


class _Clock:
    """Reads timestamps, remembering the last second: most lines share it."""

    def __init__(self) -> None:
        self.second = b""
        # Nanoseconds since the epoch at its beginning.
        self.ns = 0

    def turn(self, second: bytes) -> None:
        self.ns = _epoch(second) * 1_000_000_000
        self.second = second

    def read(self, payload: bytes) -> tuple[int, bytes]:
        """Nanoseconds since the epoch, and what follows the timestamp."""
        if payload[29:_PREFIX] != b"Z ":
            return self._odd(payload)
        if payload[:_SECONDS] != self.second:
            self.turn(payload[:_SECONDS])
        return self.ns + int(payload[20:29]), payload[_PREFIX:]

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
