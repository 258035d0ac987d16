"""Shows pages the line a container is writing, for as long as somebody looks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from replicas.engine.base import EngineError, EngineStreams
from replicas.logs.masks import Masker
from replicas.logs.partials import Partials
from replicas.logs.records import Attempt
from replicas.logs.writer import Writer

log = logging.getLogger(__name__)

# Between two pictures of a bar.
_PACE = 0.2


class LiveTail:
    """Runs from its making until `stop`, or until the container ends."""

    def __init__(
        self,
        attempt: Attempt,
        container_id: str,
        streams: EngineStreams,
        writer: Writer,
        masker: Masker,
    ) -> None:
        self._attempt = attempt
        self._container_id = container_id
        self._streams = streams
        self._writer = writer
        self._partials = Partials(masker)
        self._shown: dict[str, str] = {}
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        self._showing = asyncio.create_task(self._show())

    @property
    def done(self) -> bool:
        return self._reading.done()

    async def stop(self) -> None:
        self._reading.cancel()
        self._news.set()
        await asyncio.gather(self._reading, self._showing, return_exceptions=True)

    async def _read(self) -> None:
        # Adapters are generators, which must be closed for their connection's sake.
        pieces = cast(
            "AsyncGenerator[tuple[str, bytes], None]",
            self._streams.live_tail(self._container_id),
        )
        with contextlib.suppress(EngineError):
            async with aclosing(pieces):
                async for stream, data in pieces:
                    self._partials.feed(stream, data, time.monotonic())
                    self._news.set()

    async def _show(self) -> None:
        while not self._reading.done():
            await self._news.wait()
            self._news.clear()
            # What ends before the next picture need not be shown.
            await asyncio.sleep(_PACE)
            await self._publish(self._partials.shown(time.monotonic()))
        await self._publish(dict.fromkeys(self._shown, ""))

    async def _publish(self, shown: dict[str, str]) -> None:
        for src, text in shown.items():
            if text != self._shown.get(src, ""):
                self._shown[src] = text
                await self._writer.show_partial(self._attempt, src, text)
