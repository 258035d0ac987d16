"""Beat's turns, by a clock that somebody may set."""

from __future__ import annotations

import contextlib
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery.beat import PersistentScheduler
from django.conf import settings

# Seconds that wall clock and monotonic clock may drift apart between two turns.
_DRIFT = 1.0


def pulse_file() -> Path:
    """When beat last sent something, on the machine's monotonic clock."""
    return Path(settings.ALIGHT_RUN) / "beat-pulse"


class SteadyScheduler(PersistentScheduler):
    """Celery's own reckons with the wall clock alone: set back by an hour, it would be
    silent for an hour, and nothing lost would be found for as long."""

    _offset: float | None = None

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Do what is due; seconds until the next turn."""
        offset = time.time() - time.monotonic()
        if self._offset is None or abs(offset - self._offset) > _DRIFT:
            self._begin_anew()
        self._offset = offset
        seconds: float = super().tick(*args, **kwargs)
        return seconds

    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        """Send a task, and note that it went out: how a beat that hangs, or reaches
        no broker, is told from one that works."""
        sent = super().apply_async(*args, **kwargs)
        # On a full disk the sweeps go on.
        with contextlib.suppress(OSError):
            pulse_file().write_text(f"{time.monotonic()}")
        return sent

    def _begin_anew(self) -> None:
        """Every entry counts its interval from now; at a start it is due."""
        for entry in self.schedule.values():
            every = getattr(entry.schedule, "run_every", timedelta())
            waited = every if self._offset is None else timedelta()
            entry.last_run_at = entry.default_now() - waited
        self._heap = None
