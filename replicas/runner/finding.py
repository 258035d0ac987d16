"""Looks which GPUs there are, seldom: each look starts a container."""

from __future__ import annotations

import logging
import time

from replicas import discovery, tasks
from replicas.engine.base import EngineError, FoundGpu
from replicas.runner.threads import in_slow_thread, in_thread

log = logging.getLogger(__name__)

# Seconds between looks with GPUs and without, and between glances at the driver.
_SOME, _NONE, _GLANCE = 60.0, 300.0, 10.0


class GpuFinder:
    """At the start, when the engine has come back, now and then, and at once when the
    machine's own driver, if there is one, lists other GPUs than a moment ago."""

    def __init__(self) -> None:
        self._due = self._glance_due = 0.0
        self._listed: list[FoundGpu] | None = None

    async def sweep(self) -> None:
        if await in_thread(discovery.engine_away):
            self._due = 0.0
            return
        if await self._other_than_before() or time.monotonic() >= self._due:
            try:
                some = await in_slow_thread(tasks.look_for_gpus)
            except EngineError as error:
                log.info("GPUs could not be looked at: %s", error)
                return  # tried again at the next sweep
            self._due = time.monotonic() + (_SOME if some else _NONE)

    async def close(self) -> None:
        """Nothing goes on between sweeps."""

    async def _other_than_before(self) -> bool:
        if time.monotonic() < self._glance_due:
            return False
        listed = await in_slow_thread(discovery.smi_gpus)
        self._glance_due = time.monotonic() + _GLANCE
        if listed is None:
            return False
        before, self._listed = self._listed, listed
        return before is not None and before != listed
