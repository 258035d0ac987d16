"""Sweeps by itself when nobody tells this worker to."""

from __future__ import annotations

from replicas import tasks
from replicas.runner.threads import in_slow_thread


class Sweeper:
    """beat may be dead or held up, or the database was away when something was to be
    looked at: what a lost message or that missed is found by then."""

    async def sweep(self) -> None:
        await in_slow_thread(tasks.sweep_if_late)

    async def close(self) -> None:
        """Nothing goes on between sweeps."""
