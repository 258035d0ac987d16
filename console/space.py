"""Whether a failure is about the disk that ALIGHT_HOME is on."""

from __future__ import annotations

import errno
import shutil

from django.conf import settings
from django.db import OperationalError

# With fewer bytes than this free a database error is about space.
_LEAST_DISK = 1_000_000


def is_full(error: BaseException | None) -> bool:
    """SQLite says "disk I/O error" as well, according to what it was about to write."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return True
    return isinstance(error, OperationalError) and free() < _LEAST_DISK


def free() -> int:
    return shutil.disk_usage(settings.ALIGHT_HOME).free
