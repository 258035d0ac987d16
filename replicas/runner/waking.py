"""Wakes endpoints at once when the ingress says that a request waits for them."""

from __future__ import annotations

import asyncio

from endpoints import sizing
from endpoints.models import Endpoint
from replicas.runner.looking import look
from replicas.runner.threads import in_thread


class Waker:
    """Many may ask for the same endpoint: they share one answer."""

    def __init__(self) -> None:
        self._asked: dict[str, asyncio.Task[bool]] = {}
        self._looks: set[asyncio.Task[None]] = set()

    async def wake(self, name: str) -> bool:
        """Whether there is such an endpoint. It is looked at behind the answer; whoever
        asked may leave before that."""
        task = self._asked.get(name)
        if task is None:
            task = self._asked[name] = asyncio.create_task(self._wake(name))
            task.add_done_callback(lambda _: self._asked.pop(name, None))
        return await asyncio.shield(task)

    async def close(self) -> None:
        tasks = [*self._asked.values(), *self._looks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wake(self, name: str) -> bool:
        endpoint_id, woken = await in_thread(_woken, name)
        if endpoint_id is not None and woken:
            looking = asyncio.create_task(look(endpoint_id))
            self._looks.add(looking)
            looking.add_done_callback(self._looks.discard)
        return endpoint_id is not None


def _woken(name: str) -> tuple[int | None, bool]:
    try:
        endpoint = Endpoint.objects.alive().get(name=name)
        return endpoint.pk, sizing.wake(endpoint)
    except Endpoint.DoesNotExist:
        return None, False
