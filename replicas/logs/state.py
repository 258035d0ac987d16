"""What is known about an attempt's log beside its lines, and who follows it.

    <log dir>/<endpoint>/<replica>-<attempt>.state
    <log dir>/<endpoint>/notes.lock

The lease is a lock on the first; the system drops it when the process that holds it
dies, however it dies. The second is held for as long as it takes to change a note.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from replicas.logs.files import LogFile, log_path
from replicas.logs.records import Attempt
from replicas.logs.stored import write_all

_YOUNG_NS = 600_000_000_000


@dataclass
class State:
    """finished_at: when the whole log was on file (ns), 0 before. sealed: secrets the
    container was given, sealed; an edit of the endpoint must not bare them.

    removed_at: when its log was removed (ns), 0 while it is kept; removed_why: which
    limit asked for that, "age" or "room"; lines: how many it had then.
    """

    finished_at: int = 0
    sealed: tuple[str, ...] = ()
    removed_at: int = 0
    removed_why: str = ""
    lines: int = 0


class StateFile:
    def __init__(self, attempt: Attempt) -> None:
        self._path = log_path(attempt).with_suffix(".state")
        self._lock = self._path.with_name("notes.lock")
        self._lease: int | None = None

    def read(self) -> State:
        try:
            # Not made by a reader: where nobody ever noted anything, nobody writes.
            with _held(self._lock, os.O_RDONLY, fcntl.LOCK_SH):
                return self._read()
        except FileNotFoundError:
            return self._read()

    def change(self, update: Callable[[State], State]) -> State:
        """Note what `update` makes of what is noted; that, as it is now.

        Others who change it wait meanwhile, so that no note is lost. Raises OSError
        (a full disk) and then has changed nothing.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _held(self._lock, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX):
            known = self._read()
            state = update(known)
            if state != known:
                self._write(state)
        return state

    def _read(self) -> State:
        try:
            data: dict[str, Any] = json.loads(self._path.read_text())
            return State(**data | {"sealed": tuple(data["sealed"])})
        except (OSError, ValueError, KeyError, TypeError):
            return State()

    def _write(self, state: State) -> None:
        text = json.dumps(asdict(state))
        # In place: the lease is held on this very file.
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            before = os.pread(fd, os.fstat(fd).st_size, 0)
            try:
                _put(fd, text.encode())
            except OSError:
                _put(fd, before)
                raise
        finally:
            os.close(fd)

    def is_old(self, now: int) -> bool:
        """Nothing was noted for ten minutes (now in ns): nobody is beginning."""
        try:
            return self._path.stat().st_mtime_ns < now - _YOUNG_NS
        except OSError:
            return False

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def take_lease(self) -> bool:
        """False when another follower has it. Kept until `release` or death."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._lease = fd
        return True

    def release(self) -> None:
        if self._lease is not None:
            os.close(self._lease)
            self._lease = None


def log_file(attempt: Attempt) -> LogFile:
    """Its log, open for appending; numbers go on also where the log was removed."""
    return LogFile(attempt, lambda: StateFile(attempt).read().lines)


@contextlib.contextmanager
def _held(path: Path, flags: int, how: int) -> Iterator[None]:
    fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, how)
        yield
    finally:
        os.close(fd)


def _put(fd: int, data: bytes) -> None:
    # Cut off afterwards: what fits in the space that is taken always fits.
    os.lseek(fd, 0, os.SEEK_SET)
    write_all(fd, data)
    os.ftruncate(fd, len(data))
