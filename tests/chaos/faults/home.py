"""What all state lies on: the database locked by somebody, the disk full."""

import sqlite3
from contextlib import closing


def _lock(stage, seconds):
    """As a backup or an administrator's shell may hold it."""
    path = stage.console.home / "alight.sqlite3"
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as base:
        base.execute("begin immediate")
        stage.wait(seconds)
        base.execute("rollback")


def _fill(stage, seconds):
    stage.disk.fill()
    try:
        stage.wait(seconds)
    finally:
        stage.disk.free()


STRIKES = {"database locked": _lock, "disk full": _fill}
