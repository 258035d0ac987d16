"""One piece of work for many who ask for it at the same time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

News = TypeVar("News")
Result = TypeVar("Result")
Tell = Callable[[News], None]


class _Shared(Generic[News, Result]):
    def __init__(self) -> None:
        self.listeners: list[Tell[News]] = []
        self.last: News | None = None
        self.task: asyncio.Future[Result] | None = None

    def tell(self, news: News) -> None:
        self.last = news
        for listener in tuple(self.listeners):
            try:
                listener(news)
            except Exception:
                log.exception("A listener to progress failed.")


class Sharing(Generic[News, Result]):
    """Work by key. Who comes later hears the newest progress at once and shares the
    result; the work is cancelled only when the last one leaves."""

    def __init__(self) -> None:
        self._running: dict[Hashable, _Shared[News, Result]] = {}

    async def run(
        self,
        key: Hashable,
        work: Callable[[Tell[News]], Awaitable[Result]],
        listener: Tell[News],
    ) -> Result:
        shared = self._running.get(key)
        if shared is None:
            shared = self._running[key] = _Shared()
            shared.task = asyncio.ensure_future(self._work(key, work, shared))
        elif shared.last is not None:
            listener(shared.last)
        assert shared.task is not None  # noqa: S101 - set in the line that made it
        shared.listeners.append(listener)
        try:
            return await asyncio.shield(shared.task)
        finally:
            shared.listeners.remove(listener)
            if not shared.listeners and not shared.task.done():
                self._forget(key, shared)
                shared.task.cancel()

    async def close(self) -> None:
        tasks = [one.task for one in self._running.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(
        self,
        key: Hashable,
        work: Callable[[Tell[News]], Awaitable[Result]],
        shared: _Shared[News, Result],
    ) -> Result:
        try:
            return await work(shared.tell)
        finally:
            self._forget(key, shared)

    def _forget(self, key: Hashable, shared: _Shared[News, Result]) -> None:
        # A newcomer may have begun anew under the same key.
        if self._running.get(key) is shared:
            del self._running[key]
