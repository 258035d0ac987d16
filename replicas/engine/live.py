"""The newest of a stream, for readers that may be slower than it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType

# Pieces kept for a slow reader; older ones are dropped.
_KEPT = 512


class Latest:
    """Reads the source without pause and hands on what is still held.

    Raises what the source raised, after the pieces that came before it.
    """

    def __init__(self, source: AsyncIterator[tuple[str, bytes]]) -> None:
        self._source = source
        self._held: deque[tuple[str, bytes]] = deque(maxlen=_KEPT)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Latest:
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def __aiter__(self) -> AsyncIterator[tuple[str, bytes]]:
        while True:
            while self._held:
                yield self._held.popleft()
            if self._task is None or self._task.done():
                break
            self._news.clear()
            await self._news.wait()
        if self._task is not None:
            await self._task

    async def _read(self) -> None:
        try:
            async for piece in self._source:
                self._held.append(piece)
                self._news.set()
        finally:
            self._news.set()
