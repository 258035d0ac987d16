"""What is known about an attempt's log beside its lines, and who follows it.

    <log dir>/<endpoint>/<replica>-<attempt>.state

The lease is a lock on this file; the system drops it when the process that holds it
dies, however it dies.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from typing import Any

from replicas.logs.files import log_path, write_all
from replicas.logs.records import Attempt


@dataclass
class State:
    """finished_at: when the whole log was on file (ns), 0 before. sealed: secrets the
    container was given, sealed; an edit of the endpoint must not bare them."""

    finished_at: int = 0
    sealed: tuple[str, ...] = ()


class StateFile:
    def __init__(self, attempt: Attempt) -> None:
        self._path = log_path(attempt).with_suffix(".state")
        self._lease: int | None = None

    def read(self) -> State:
        try:
            data: dict[str, Any] = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return State()
        return State(int(data["finished_at"]), tuple(data["sealed"]))

    def write(self, state: State) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = json.dumps(
            {"finished_at": state.finished_at, "sealed": list(state.sealed)}
        )
        # In place: the lease is held on this very file.
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, 0)
            write_all(fd, text.encode())
        finally:
            os.close(fd)

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
