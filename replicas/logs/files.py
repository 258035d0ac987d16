"""The files that keep logs: the whole of every attempt, in one file each.

    <log dir>/<endpoint>/<replica>-<attempt>.log     records, appended only

A line's number is given under the file's lock, so that every process can append.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from django.conf import settings

from replicas.logs.records import Attempt, Draft, Record, decode, encode

_BLOCK = 64 * 1024


def folder(endpoint_id: int) -> Path:
    return Path(settings.ALIGHT_LOG_DIR) / str(endpoint_id)


def log_path(attempt: Attempt) -> Path:
    name = f"{attempt.replica_id}-{attempt.attempt}.log"
    return folder(attempt.endpoint_id) / name


def all_attempts() -> list[Attempt]:
    """Of every endpoint, those of which something is noted beside a log."""
    found = []
    for path in Path(settings.ALIGHT_LOG_DIR).glob("*/*-*.state"):
        replica_id, _, attempt = path.stem.partition("-")
        found.append(Attempt(int(path.parent.name), int(replica_id), int(attempt)))
    return found


def attempts(endpoint_id: int) -> list[Attempt]:
    """Those that have a log, oldest first; without their replica's number."""
    found = []
    for path in folder(endpoint_id).glob("*-*.log"):
        replica_id, _, attempt = path.stem.partition("-")
        found.append(Attempt(endpoint_id, int(replica_id), int(attempt)))
    return sorted(found, key=lambda a: (a.replica_id, a.attempt))


def forget(endpoint_id: int) -> None:
    """Remove everything an endpoint's replicas ever wrote."""
    shutil.rmtree(folder(endpoint_id), ignore_errors=True)


# --- Writing -----------------------------------------------------------------
class LogFile:
    """An attempt's log, open for appending. Safe beside other processes' writers."""

    def __init__(self, attempt: Attempt) -> None:
        path = log_path(attempt)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)
        # Where the file ended when `_last` was its last line's number.
        self._size = 0
        self._last = 0

    def append(self, drafts: Sequence[Draft]) -> tuple[int, str]:
        """Number and write them: the first one's number, and their records.

        Raises OSError (a full disk) and then has written nothing.
        """
        with _locked(self._fd):
            size = os.fstat(self._fd).st_size
            if size != self._size:
                size, self._last = _mend(self._fd, size)
            first = self._last + 1
            block = encode(drafts, first)
            data = block.encode()
            try:
                write_all(self._fd, data)
            except OSError:
                os.ftruncate(self._fd, size)
                raise
            self._size = size + len(data)
            self._last += len(drafts)
        return first, block

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        os.close(fd)


@contextlib.contextmanager
def _locked(fd: int) -> Iterator[None]:
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


def write_all(fd: int, data: bytes) -> None:
    """Raises OSError; some of it may be written then."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _mend(fd: int, size: int) -> tuple[int, int]:
    """Cut off a record that a crash left half written: size and last number."""
    if not size:
        return 0, 0
    block = _last_bytes(fd, size, lambda data: data.count(b"\n") > 1)
    whole = block[: block.rfind(b"\n") + 1]
    if len(whole) < len(block):
        size -= len(block) - len(whole)
        os.ftruncate(fd, size)
    if not whole:
        return 0, 0
    last = whole[whole.rfind(b"\n", 0, -1) + 1 :]
    return size, int(last[: last.index(b" ")])


# --- Reading -----------------------------------------------------------------
def last_records(
    attempt: Attempt, limit: int, *, after: int = 0, end: int | None = None
) -> list[Record]:
    """The newest `limit` records with a number above `after`, in order.

    end: read no further than this position. Empty when there is no log.
    """

    def enough(data: bytes) -> bool:
        start = data.find(b"\n") + 1
        first = data[start : data.find(b" ", start)]
        return data.count(b"\n") > limit or (first.isdigit() and int(first) <= after)

    records = _read_back(attempt, enough, end)
    return [record for record in records if record.n > after][-limit:]


def records_since(attempt: Attempt, at: int) -> list[Record]:
    """The newest records back to the first that is older than `at` (ns)."""

    def enough(data: bytes) -> bool:
        start = data.find(b"\n") + 1
        words = data[start : start + 60].split(b" ", 2)
        return len(words) == 3 and int(words[1]) < at

    return _read_back(attempt, enough, None)


def last_number(attempt: Attempt) -> int:
    """How many lines the attempt has written."""
    records = last_records(attempt, 1)
    return records[-1].n if records else 0


def modified(attempt: Attempt) -> int:
    """When something was last written, ns since the epoch; 0 when there is no log."""
    try:
        return log_path(attempt).stat().st_mtime_ns
    except OSError:
        return 0


def position(attempt: Attempt, at: int) -> int:
    """Where the records from `at` (ns) on begin, by bisection."""
    try:
        with log_path(attempt).open("rb") as file:
            low, high = 0, file.seek(0, os.SEEK_END)
            while high - low > _BLOCK:
                middle = (low + high) // 2
                file.seek(middle)
                file.readline()
                start = file.tell()
                words = file.readline().split(b" ", 2)
                if start >= high or len(words) < 3 or int(words[1]) >= at:
                    high = middle
                else:
                    low = start
            file.seek(low)
            for raw in file:
                words = raw.split(b" ", 2)
                if len(words) < 3 or int(words[1]) >= at:
                    break
                low += len(raw)
            return low
    except FileNotFoundError:
        return 0


def blocks(attempt: Attempt, start: int = 0) -> Iterator[list[Record]]:
    """All records from position `start` on, some thousands at a time."""
    try:
        file = log_path(attempt).open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(start)
        held = b""
        while data := file.read(4 * _BLOCK):
            data = held + data
            end = data.rfind(b"\n") + 1
            held = data[end:]
            if end:
                yield decode(data[:end].decode("utf-8", "replace"))


def _read_back(
    attempt: Attempt, enough: Callable[[bytes], bool], end: int | None
) -> list[Record]:
    try:
        fd = os.open(log_path(attempt), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    try:
        size = os.fstat(fd).st_size
        data = _last_bytes(fd, size if end is None else min(end, size), enough)
    finally:
        os.close(fd)
    # A record that is being written right now has no newline yet.
    return decode(data[: data.rfind(b"\n") + 1].decode("utf-8", "replace"))


def _last_bytes(fd: int, end: int, enough: Callable[[bytes], bool]) -> bytes:
    """Whole records before `end`, from as far back as `enough` asks for."""
    window = _BLOCK
    while True:
        start = max(0, end - window)
        data = _read_at(fd, start, end - start)
        if start == 0:
            return data
        if enough(data):
            return data[data.find(b"\n") + 1 :]
        window *= 4


def _read_at(fd: int, start: int, count: int) -> bytes:
    parts = []
    while count > 0 and (part := os.pread(fd, count, start)):
        parts.append(part)
        start += len(part)
        count -= len(part)
    return b"".join(parts)
