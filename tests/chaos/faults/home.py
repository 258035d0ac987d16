"""What all state lies on: the database locked by somebody, the disk full."""

from tests.rows import locked


def _lock(stage, seconds):
    """As a backup or an administrator's shell may hold it."""
    with locked(stage.console):
        stage.wait(seconds)


def _fill(stage, seconds):
    stage.disk.fill()
    try:
        stage.wait(seconds)
    finally:
        stage.disk.free()


STRIKES = {"database locked": _lock, "disk full": _fill}
