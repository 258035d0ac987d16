"""The files that keep logs: the whole of every attempt, in one file each.

    <log dir>/<endpoint>/<replica>-<attempt>.log     records, appended only
    <log dir>/<endpoint>/<replica>-<attempt>.log.gz  the same, packed: see packing.py

A line's number is given under the file's lock, so that every process can append. A log
keeps its newest ALIGHT_LOG_ATTEMPT_MB; numbers tell how many lines went before.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path

from django.conf import settings

from replicas.logs.places import HEAD, position_in
from replicas.logs.records import (
    Attempt,
    Draft,
    Record,
    decode,
    encode,
    first_whole,
    time_in,
)
from replicas.logs.stored import (
    Stored,
    beginning,
    cut_off,
    open_stored,
    packed_path,
    read_at,
    unpack_file,
    write_all,
)

log = logging.getLogger(__name__)

_BLOCK = 64 * 1024
_LONGEST = 1024 * 1024
MB = 1024 * 1024
_NAME = re.compile(r"(\d+)-(\d+)\.(log|log\.gz|state)")


def folder(endpoint_id: int) -> Path:
    return Path(settings.ALIGHT_LOG_DIR) / str(endpoint_id)


def log_path(attempt: Attempt) -> Path:
    name = f"{attempt.replica_id}-{attempt.attempt}.log"
    return folder(attempt.endpoint_id) / name


def packed_log_path(attempt: Attempt) -> Path:
    return packed_path(log_path(attempt))


def noted() -> list[Attempt]:
    """Of every endpoint, those of which something is noted beside a log."""
    return [one for place in _folders() for one in _inside(int(place.name), {"state"})]


def noted_of(endpoint_id: int) -> list[Attempt]:
    return _inside(endpoint_id, {"state"})


def endpoint_ids() -> list[int]:
    """Those that have a folder."""
    return sorted(int(place.name) for place in _folders())


def attempts(endpoint_id: int) -> list[Attempt]:
    """Those that have a log, oldest first; without their replica's number."""
    return _inside(endpoint_id, {"log", "log.gz"})


def _folders() -> list[Path]:
    places = Path(settings.ALIGHT_LOG_DIR).glob("*")
    return [place for place in places if place.name.isdigit()]


def _inside(endpoint_id: int, kinds: set[str]) -> list[Attempt]:
    try:
        names = [path.name for path in folder(endpoint_id).iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = {
        (int(name[1]), int(name[2]))
        for name in map(_NAME.fullmatch, names)
        if name is not None and name[3] in kinds
    }
    return [Attempt(endpoint_id, *numbers) for numbers in sorted(found)]


def remove(attempt: Attempt) -> None:
    """Remove its log; a note beside it stays."""
    for path in (log_path(attempt), packed_log_path(attempt)):
        path.unlink(missing_ok=True)


def forget(endpoint_id: int) -> None:
    """Remove everything an endpoint's replicas ever wrote."""
    shutil.rmtree(folder(endpoint_id), ignore_errors=True)


# --- Writing -----------------------------------------------------------------
class LogFile:
    """An attempt's log, open for appending. Safe beside other processes' writers.

    base: the last number that was given where the log itself was removed.
    """

    def __init__(self, attempt: Attempt, base: Callable[[], int] = int) -> None:
        self._attempt = attempt
        self._base = base
        self._open()

    def _open(self) -> None:
        path = log_path(self._attempt)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            unpack_file(path)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)
        # Where the file ended when `_last` was its last line's number.
        self._size = 0
        self._last = 0
        # Before that there is nothing any more; None: not looked yet.
        self._start: int | None = None

    def append(self, drafts: Sequence[Draft]) -> tuple[int, str]:
        """Number and write them: the first one's number, and their records.

        Raises OSError (a full disk) and then has written nothing.
        """
        with self._locked():
            size = os.fstat(self._fd).st_size
            if size != self._size or not size:
                size, self._last = _mend(self._fd, size)
                self._last = self._last or self._base()
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
            self._keep_newest()
        return first, block

    def _keep_newest(self) -> None:
        """Cut off the beginning of a log that grew past its limit."""
        limit = settings.ALIGHT_LOG_ATTEMPT_MB * MB
        # Some at a time: each cut is a call to the system.
        if self._size <= limit + limit // 16:
            return
        if self._start is None:
            self._start = beginning(self._fd, self._size)
        if self._size - self._start <= limit + limit // 16:
            return
        self._start = self._size - limit
        if not cut_off(self._fd, self._start):
            log.warning(
                "%s grows past its limit until its replica ends: this file system"
                " cannot cut off a file's beginning.",
                log_path(self._attempt),
            )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """On the file that is there: it may have been packed or removed meanwhile."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        while self._is_stale():
            os.close(self._fd)
            self._open()
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _is_stale(self) -> bool:
        known = os.fstat(self._fd)
        if known.st_nlink and not known.st_size:
            # Made beside a log that was packed in this very moment.
            if not packed_log_path(self._attempt).exists():
                return False
            log_path(self._attempt).unlink()
            return True
        return not known.st_nlink

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        os.close(fd)


def _mend(fd: int, size: int) -> tuple[int, int]:
    """Cut off a record that a crash left half written: size and last number."""
    if not size:
        return 0, 0
    read = partial(read_at, fd)
    start = beginning(fd, size)
    block = _last_bytes(read, start, size, _tells_number)
    whole = block[: block.rfind(b"\n") + 1]
    if len(whole) < len(block):
        size -= len(block) - len(whole)
        os.ftruncate(fd, size)
    if not whole:
        return 0, 0
    return size, decode(_text(whole))[-1].n


def _tells_number(data: bytes) -> bool:
    """Whether a record that can be read begins and ends in it."""
    begin, end = data.find(b"\n") + 1, data.rfind(b"\n") + 1
    return begin < end and first_whole(_text(data[begin:end])) is not None


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
        time = time_in(data[start : start + HEAD])
        return time is not None and time < at

    return _read_back(attempt, enough, None)


def last_number(attempt: Attempt) -> int:
    """How many lines the attempt has written."""
    for path in (log_path(attempt), packed_log_path(attempt)):
        with contextlib.suppress(OSError):
            stat = path.stat()
            return _last_number(attempt, (stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return 0


@lru_cache(maxsize=4096)
def _last_number(attempt: Attempt, stamp: tuple[int, int, int]) -> int:
    """Of a file that is as `stamp` says: most of an endpoint's are finished."""
    records = last_records(attempt, 1)
    return records[-1].n if records else 0


def first_number(attempt: Attempt) -> int:
    """Of the oldest line that is kept; 0 without one."""
    with _opened(attempt) as stored:
        word = b"" if stored is None else stored.read(stored.start, 24).split(b" ")[0]
    return int(word) if word.isdigit() else 0


def modified(attempt: Attempt) -> int:
    """When something was last written, ns since the epoch; 0 when there is no log."""
    for path in (log_path(attempt), packed_log_path(attempt)):
        with contextlib.suppress(OSError):
            return path.stat().st_mtime_ns
    return 0


def room(attempt: Attempt) -> int:
    """Bytes of the disk that its log takes."""
    taken = 0
    for path in (log_path(attempt), packed_log_path(attempt)):
        with contextlib.suppress(OSError):
            taken += path.stat().st_blocks * 512
    return taken


def position(attempt: Attempt, at: int) -> int:
    """Where the records from `at` (ns) on begin, by bisection."""
    with _opened(attempt) as stored:
        return 0 if stored is None else position_in(stored, at)


def blocks(attempt: Attempt, start: int = 0) -> Iterator[list[Record]]:
    """All records from position `start` on, some thousands at a time."""
    with _opened(attempt) as stored:
        if stored is None:
            return
        at = max(start, stored.start)
        held = b""
        while data := stored.read(at, 4 * _BLOCK):
            at += len(data)
            data = held + data
            end = data.rfind(b"\n") + 1
            # No record is that long: what has no end is damaged.
            held = data[end:] if len(data) - end < _LONGEST else b"\0"
            if end:
                yield decode(_text(data[:end]))


def blocks_back(attempt: Attempt, end: int | None = None) -> Iterator[str]:
    """Records before position `end` (None: all), in whole, the newest block first."""
    with _opened(attempt) as stored:
        if stored is None:
            return
        at = stored.end if end is None else min(end, stored.end)
        while at > stored.start:
            data = _last_bytes(stored.read, stored.start, at, lambda b: b"\n" in b[:-1])
            whole = data[: data.rfind(b"\n") + 1]
            if whole:
                yield _text(whole)
            # What has no newline yet is being written right now.
            at -= len(data)


@contextlib.contextmanager
def _opened(attempt: Attempt) -> Iterator[Stored | None]:
    stored = open_stored(log_path(attempt))
    try:
        yield stored
    finally:
        if stored is not None:
            stored.close()


def _read_back(
    attempt: Attempt, enough: Callable[[bytes], bool], end: int | None
) -> list[Record]:
    with _opened(attempt) as stored:
        if stored is None:
            return []
        last = stored.end if end is None else min(end, stored.end)
        data = _last_bytes(stored.read, stored.start, last, enough)
    # A record that is being written right now has no newline yet.
    return decode(_text(data[: data.rfind(b"\n") + 1]))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _last_bytes(
    read: Callable[[int, int], bytes],
    first: int,
    end: int,
    enough: Callable[[bytes], bool],
) -> bytes:
    """Whole records before `end`, from as far back as `enough` asks for."""
    window = _BLOCK
    while True:
        start = max(first, end - window)
        data = read(start, end - start)
        if start == first:
            return data
        if enough(data):
            return data[data.find(b"\n") + 1 :]
        window *= 4
