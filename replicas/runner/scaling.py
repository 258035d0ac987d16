"""Lets the number of replicas follow traffic, once a second."""

from __future__ import annotations

import asyncio
import logging

from django.utils import timezone

from replicas.runner.looking import look
from replicas.runner.threads import in_thread
from replicas.scaling.scaler import Scaler

log = logging.getLogger(__name__)

INTERVAL = 1.0


class Autoscaler:
    """Has a rhythm of its own: its windows count seconds, and no bell makes it look."""

    def __init__(self) -> None:
        self._scaler = Scaler()
        self._looks: set[asyncio.Task[None]] = set()
        self._blind = False

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
        if self._scaler.blind and not self._blind:
            log.warning("The ingress does not answer: numbers of replicas stay")
        self._blind = self._scaler.blind
        for endpoint_id in set(changed):
            task = asyncio.create_task(look(endpoint_id))
            self._looks.add(task)
            task.add_done_callback(self._looks.discard)
