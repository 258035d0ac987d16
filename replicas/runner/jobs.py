"""A set of asyncio tasks kept equal to what is wanted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable, Mapping
from typing import Any, Generic, TypeVar

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Jobs(Generic[K, V]):
    """One task per key. `fit` starts what is missing and cancels what is over."""

    def __init__(self, work: Callable[[K, V], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._tasks: dict[K, asyncio.Task[None]] = {}

    def fit(self, wanted: Mapping[K, V]) -> None:
        """A task that ended is started again while its key is wanted."""
        for key in [k for k, task in self._tasks.items() if task.done()]:
            del self._tasks[key]
        for key in self._tasks.keys() - wanted.keys():
            self._tasks.pop(key).cancel()
        for key in wanted.keys() - self._tasks.keys():
            self._tasks[key] = asyncio.create_task(self._run(key, wanted[key]))

    async def _run(self, key: K, value: V) -> None:
        try:
            await self._work(key, value)
        except Exception:
            log.exception("work on %s stopped; it starts again at the next look", key)

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
