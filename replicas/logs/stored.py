"""An attempt's log as bytes at positions, whether it is packed or still written.

A log that grew past its limit has a hole where its beginning was: the file keeps its
positions, and the disk has the room again. `start` is then the first whole record.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from replicas.logs.packing import PIECE, Packed, pack

_BLOCK = 64 * 1024
# What file systems free is counted in blocks of this many bytes.
_DISK_BLOCK = 4096
_KEEP_SIZE, _PUNCH_HOLE = 1, 2


class Stored(Protocol):
    """start, end: positions of the first and behind the last byte there is."""

    start: int
    end: int

    def read(self, at: int, count: int) -> bytes:
        """At most `count` bytes from `at` on; fewer at the end."""

    def close(self) -> None: ...


class Plain:
    """A log that is not packed; what is appended meanwhile is read as well."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.end = os.fstat(fd).st_size
        self.start = beginning(fd, self.end)

    def read(self, at: int, count: int) -> bytes:
        return read_at(self._fd, at, count)

    def close(self) -> None:
        os.close(self._fd)


def packed_path(path: Path) -> Path:
    return path.with_suffix(".log.gz")


def open_stored(path: Path) -> Stored | None:
    """The log whose plain file is, or was, at `path`; None when there is none."""
    # Both ways are taken twice: it may be packed, or unpacked, at this moment.
    for place, kind in ((path, Plain), (packed_path(path), Packed)) * 2:
        try:
            fd = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            return kind(fd)
        except BaseException:
            os.close(fd)
            raise
    return None


def pack_file(path: Path) -> None:
    """Pack the plain log at `path`; who appends meanwhile waits. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        known = os.fstat(fd)
        at = beginning(fd, known.st_size)

        def read(count: int) -> bytes:
            nonlocal at
            data = read_at(fd, at, count)
            at += len(data)
            return data

        with _written_whole(packed_path(path), known) as out:
            pack(read, out)
        path.unlink()
    finally:
        os.close(fd)


def unpack_file(path: Path) -> None:
    """Make a packed log plain again, for one who has to append. Raises OSError."""
    try:
        fd = os.open(packed_path(path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        known = os.fstat(fd)
        if path.exists() or not known.st_nlink:
            return  # somebody else has done it
        packed = Packed(fd)
        with _written_whole(path, known) as out:
            for at in range(0, packed.end, PIECE):
                write_all(out, packed.read(at, PIECE))
        packed_path(path).unlink()
    finally:
        os.close(fd)


@contextlib.contextmanager
def _written_whole(path: Path, like: os.stat_result) -> Iterator[int]:
    """A file to write, which is at `path` when it is whole; as old as `like`."""
    part = path.with_name(f"{path.name}.part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        yield fd
        os.utime(fd, ns=(like.st_atime_ns, like.st_mtime_ns))
        os.fsync(fd)
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Raises OSError; some of it may be written then."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def read_at(fd: int, start: int, count: int) -> bytes:
    parts = []
    while count > 0 and (part := os.pread(fd, count, start)):
        parts.append(part)
        start += len(part)
        count -= len(part)
    return b"".join(parts)


def beginning(fd: int, end: int) -> int:
    """Where the first whole record begins: 0, or behind a hole."""
    if not end or os.pread(fd, 1, 0) != b"\0":
        return 0
    try:
        at = os.lseek(fd, 0, os.SEEK_DATA)
    except OSError:
        return end
    # A copy of the file may have the hole written out.
    while at < end and not (data := read_at(fd, at, _BLOCK).lstrip(b"\0")):
        at += _BLOCK
    while at < end:
        data = read_at(fd, at, _BLOCK)
        newline = data.find(b"\n", len(data) - len(data.lstrip(b"\0")))
        if newline >= 0:
            return at + newline + 1
        at += len(data)
    return end


def cut_off(fd: int, end: int) -> bool:
    """Give the disk back what is before `end`. False where the file system cannot."""
    length = end - end % _DISK_BLOCK
    if length <= 0:
        return True
    done = _fallocate(
        fd,
        _PUNCH_HOLE | _KEEP_SIZE,
        ctypes.c_longlong(0),
        ctypes.c_longlong(length),
    )
    if done == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EOPNOTSUPP, errno.ENOSYS):
        return False
    raise OSError(code, os.strerror(code))


_fallocate = ctypes.CDLL(None, use_errno=True).fallocate
