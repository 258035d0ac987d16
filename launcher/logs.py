"""Logs of the processes that `make up` keeps: a file for each, and one older one.

On docker compose Docker keeps them.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from launcher.config import Config

# Bytes.
BIG_LOG = 20 * 1024 * 1024
# Seconds between two looks at how long they are.
LOOK_SECONDS = 60.0


def log_of(config: Config, name: str) -> Path:
    return config.logs / f"{name}.log"


def put_aside(log: Path) -> None:
    """A long one, to which nobody writes now."""
    if _is_big(log):
        log.replace(_older(log))


def cut(logs: Iterable[Path]) -> None:
    """Long ones, to which their processes write on: what they hold is put aside.

    Whoever writes opened it for appending, so the next line is the first one of the
    file. One that is written between the last look and the cut is lost.
    """
    for log in logs:
        if _is_big(log):
            _cut(log)


def _cut(log: Path) -> None:
    older = _older(log)
    try:
        # First, so that the copy has its room.
        older.unlink(missing_ok=True)
        with log.open("rb") as full, older.open("xb") as kept:
            os.fchmod(kept.fileno(), 0o600)
            shutil.copyfileobj(full, kept)
            kept.flush()
            os.truncate(log, 0)
    except OSError:
        # A full disk, most often. The next look is soon, and nothing is lost.
        older.unlink(missing_ok=True)


def _is_big(log: Path) -> bool:
    try:
        return log.stat().st_size > BIG_LOG
    except FileNotFoundError:
        return False


def _older(log: Path) -> Path:
    return log.with_suffix(".log.1")
