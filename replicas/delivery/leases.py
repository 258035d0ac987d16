"""Of several workers one sends a request: the one that holds the lock on its file.

The system drops that lock with the process, so nothing has to be cleared after a crash.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def take(file: Path) -> int | None:
    """A descriptor to `give_back`; None when somebody else has it.

    Raises FileNotFoundError.
    """
    held = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    return held


def give_back(held: int) -> None:
    os.close(held)
