"""Lets the number of replicas follow traffic, once a second."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from django.utils import timezone

from replicas.runner.looking import look, look_at_everything
from replicas.runner.threads import in_thread
from replicas.scaling.scaler import Scaler

log = logging.getLogger(__name__)

INTERVAL = 1.0


class Autoscaler:
    """Has a rhythm of its own: its windows count seconds, and no bell makes it look."""

    def __init__(self) -> None:
        self._scaler = Scaler()
        self._looks: set[asyncio.Task[None]] = set()
        self._sees: bool | None = None

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self.step()
            # On the beat; what took longer than a second leaves beats out.
            due = max(due + INTERVAL, loop.time())
            await asyncio.sleep(due - loop.time())

    async def step(self) -> None:
        """Decide once. Never raises: the next second comes."""
        try:
            changed = await in_thread(self._scaler.tick, timezone.now())
        except Exception:
            log.exception("traffic could not be followed")
            return
        self._note(sees=not self._scaler.blind)
        for endpoint_id in set(changed):
            self._start(look(endpoint_id))

    def _note(self, *, sees: bool) -> None:
        if not sees and self._sees is not False:
            log.warning("The ingress does not answer: numbers of replicas stay")
        if sees and not self._sees:
            # One that was away for long, or came after this worker, knows no replica,
            # and whoever is there waits.
            self._start(look_at_everything())
        self._sees = sees

    def _start(self, looking: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(looking)
        self._looks.add(task)
        task.add_done_callback(self._looks.discard)
