"""Sees to it that the rules around replicas stand, also after a firewall's restart."""

from __future__ import annotations

import logging
import time

from replicas import discovery
from replicas.engine.base import EngineError
from replicas.isolation.keeping import KEEPER
from replicas.runner.threads import in_slow_thread, in_thread

log = logging.getLogger(__name__)


class Isolator:
    """At the start, when the engine has come back, and as often as looking is cheap."""

    def __init__(self) -> None:
        self._due = 0.0

    async def sweep(self) -> None:
        if await in_thread(discovery.engine_away):
            KEEPER.forget()
            self._due = 0.0
            return
        if time.monotonic() < self._due:
            return
        try:
            lasts = await in_slow_thread(KEEPER.sweep)
        except EngineError as error:
            log.info("The rules around replicas could not be looked at: %s", error)
            return  # tried again at the next sweep
        self._due = time.monotonic() + lasts

    async def close(self) -> None:
        """Nothing goes on between sweeps; the rules stay, for replicas do."""
