"""Whether a failure is about a full disk: that of ALIGHT_HOME, or the database's."""

from __future__ import annotations

import errno
import shutil

from django.conf import settings
from django.db import OperationalError

# What PostgreSQL says of its own disk.
_POSTGRES_FULL = "53100"
# With fewer bytes than this free a database error is about space.
_LEAST_DISK = 1_000_000


def is_full(error: BaseException | None) -> bool:
    """SQLite says "disk I/O error" as well, according to what it was about to write."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return True
    if getattr(getattr(error, "__cause__", None), "sqlstate", None) == _POSTGRES_FULL:
        return True
    return isinstance(error, OperationalError) and free() < _LEAST_DISK


def place() -> str:
    """For people: where to free some."""
    return "where ALIGHT_HOME is" + (
        ", and where its PostgreSQL is" if settings.ALIGHT_DATABASE_URL else ""
    )


def free() -> int:
    return shutil.disk_usage(settings.ALIGHT_HOME).free
