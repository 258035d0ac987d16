"""A finished log, packed: gzip in pieces, any of which is read by itself.

    <log dir>/<endpoint>/<replica>-<attempt>.log.gz

Every piece is a gzip member of whole records, so that `zcat` reads the file too. A
field of its header (RFC 1952, 2.3.1.1: "AL", two little-endian numbers of 32 bits) says
how long the member is and how many bytes it holds: an index is read by hopping.

A piece that is not as it was written reads as one damaged record as long as it was;
where the index itself is damaged, what follows does as a short one.
"""

from __future__ import annotations

import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Bytes of a piece: what is unpacked to read a line, and what a search takes at once.
PIECE = 1024 * 1024
# What a piece holds at most, one record being longer than the rest; and what takes the
# place of pieces of which nothing is known.
_MOST, _UNKNOWN = 4 * PIECE, 64
# Of nine. A server's log shrinks to a quarter at 67 MB a second; the usual six takes
# half as long again for a twentieth less.
_LEVEL = 4
_MAGIC = b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff"
_HEADER = struct.Struct("<10sHccHII")
_TRAILER = struct.Struct("<II")
_EXTRA = 12


@dataclass(frozen=True)
class _Piece:
    """Where it is in the file, and what bytes of the log it holds."""

    at: int
    length: int
    start: int
    size: int


def pack(read: Callable[[int], bytes], out: int) -> None:
    """Write to `out` all that `read(n)` gives, at most n bytes at a time, b"" at last.

    Raises OSError.
    """
    for piece in _pieces(read):
        view = memoryview(_member(piece))
        while view:
            view = view[os.write(out, view) :]


def _pieces(read: Callable[[int], bytes]) -> Iterator[bytes]:
    held = b""
    while data := read(PIECE):
        held += data
        if len(held) >= PIECE and (end := held.rfind(b"\n") + 1):
            yield held[:end]
            held = held[end:]
    if held:
        yield held


def _member(piece: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(piece) + packer.flush()
    length = _HEADER.size + len(body) + _TRAILER.size
    header = _HEADER.pack(_MAGIC, _EXTRA, b"A", b"L", 8, length, len(piece))
    return header + body + _TRAILER.pack(zlib.crc32(piece), len(piece))


class Packed:
    """A packed log, open to be read at any position."""

    start = 0

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._index = list(_index(fd))
        self._starts = [piece.start for piece in self._index]
        last = self._index[-1] if self._index else None
        self.end = last.start + last.size if last else 0
        self._open: tuple[int, bytes] = (-1, b"")

    def read(self, at: int, count: int) -> bytes:
        """At most `count` bytes from `at` on; fewer at the end."""
        parts = []
        while count > 0 and 0 <= at < self.end:
            number = bisect_right(self._starts, at) - 1
            inside = at - self._starts[number]
            part = self._unpacked(number)[inside : inside + count]
            parts.append(part)
            at, count = at + len(part), count - len(part)
        return b"".join(parts)

    def close(self) -> None:
        os.close(self._fd)

    def _unpacked(self, number: int) -> bytes:
        if self._open[0] != number:
            piece = self._index[number]
            member = os.pread(self._fd, piece.length, piece.at)
            self._open = number, _held(member, piece)
        return self._open[1]


def _held(member: bytes, piece: _Piece) -> bytes:
    """What this member holds, or as much of nothing."""
    body, trailer = member[_HEADER.size : -_TRAILER.size], member[-_TRAILER.size :]
    try:
        data = zlib.decompress(body, -zlib.MAX_WBITS, piece.size)
        if trailer == _TRAILER.pack(zlib.crc32(data), piece.size):
            return data
    except zlib.error:
        pass
    return b"\0" * (piece.size - 1) + b"\n"


def _index(fd: int) -> Iterator[_Piece]:
    at = start = 0
    size = os.fstat(fd).st_size
    while at < size:
        header = os.pread(fd, _HEADER.size, at)
        length = held = 0
        if len(header) == _HEADER.size and header.startswith(_MAGIC):
            length, held = _HEADER.unpack(header)[-2:]
        if length <= _HEADER.size or not 0 < held <= _MOST:
            yield _Piece(at, 0, start, _UNKNOWN)
            return
        yield _Piece(at, length, start, held)
        at, start = at + length, start + held
