"""What all state lies on: the database locked by somebody, the disk full."""

from tests.chaos.faults.missed import Missed
from tests.rows import CannotRead, locked


def _lock(stage, seconds):
    """As a backup or an administrator's shell may hold it, until the database ends."""
    held = False
    try:
        with locked(stage.console):
            held = True
            stage.wait(seconds)
    except CannotRead as error:
        if not held:
            words = f"the database said no: {error}"
            raise Missed(words) from error


def _fill(stage, seconds):
    stage.disk.fill()
    try:
        stage.wait(seconds)
    finally:
        stage.disk.free()


STRIKES = {"database locked": _lock, "disk full": _fill}
