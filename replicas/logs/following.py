"""Following one container's output from where its file ends to its last line."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from contextlib import aclosing
from dataclasses import dataclass, replace

from django.conf import settings

from replicas.engine.base import EngineError, EngineStreams, Known
from replicas.logs.files import MB
from replicas.logs.flood import Budget, is_lost, lost_line
from replicas.logs.lines import Assembler
from replicas.logs.masks import Masker
from replicas.logs.records import Attempt
from replicas.logs.resume import Position, position
from replicas.logs.secrets import masker, opened
from replicas.logs.sink import Sink
from replicas.logs.state import StateFile, log_file
from replicas.logs.writer import Writer

log = logging.getLogger(__name__)

# Between two looks at a stream that ended, and while the engine is away.
_AGAIN_SECONDS = 0.05
# How far back from the last line on file to look for others (ns): lines of the two
# streams may be a little out of order. Having just read them all, less will do.
_FIRST_MARGIN, _AGAIN_MARGIN = 2_000_000_000, 200_000_000
_FLUSH_SECONDS = 5.0
_WAITS = (0.1, 0.2, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Target:
    """A container to follow. sealed: the secrets its endpoint has now."""

    attempt: Attempt
    container_id: str
    sealed: tuple[str, ...] = ()


class Following:
    """`run` ends when the container has ended and all of it is on file."""

    def __init__(self, target: Target, streams: EngineStreams, writer: Writer) -> None:
        self.target = target
        # Set when nobody wants this container any more.
        self.unwanted = False
        # Once it follows: takes this container's secrets out of its output.
        self.masker: Masker | None = None
        self._streams = streams
        self._writer = writer
        self._state = StateFile(target.attempt)
        self._budget = Budget(settings.ALIGHT_LOG_MINUTE_MB * MB, time.monotonic())

    async def run(self) -> None:
        if not self._state.take_lease():
            return  # another worker follows it
        try:
            self.masker = masker(self._remember_secrets())
            file = log_file(self.target.attempt)
            sink = Sink(self.target.attempt, file, self.masker)
            try:
                await self._follow(sink)
            finally:
                # What is not written by then is read again by the next follower.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_FLUSH_SECONDS):
                        await self._writer.flush(sink)
                sink.give_up()
        finally:
            self._state.release()

    def learn(self, sealed: tuple[str, ...]) -> None:
        """Mask these as well: what the endpoint has changed while this one runs."""
        if self.masker is not None:
            self.masker.learn(opened(sealed))

    def _mask(self, text: str) -> str:
        known = self.masker or masker(())
        return known.mask(known.mask_drawn(text))

    def _remember_secrets(self) -> tuple[str, ...]:
        """All this container may have been given, also before an edit."""
        return self._state.change(
            lambda known: replace(
                known, sealed=tuple(dict.fromkeys((*known.sealed, *self.target.sealed)))
            )
        ).sealed

    async def _follow(self, sink: Sink) -> None:
        looks, failures = 0, 0
        while True:
            margin = _FIRST_MARGIN if looks == 0 else _AGAIN_MARGIN
            at = await asyncio.to_thread(
                position, self.target.attempt, time.time_ns(), margin
            )
            assembler = Assembler(self._mask)
            try:
                wrote = await self._pass(sink, at, assembler)
            except EngineError as error:
                if self.unwanted:
                    return
                await asyncio.sleep(_WAITS[min(failures, len(_WAITS) - 1)])
                looks, failures = 0, failures + 1
                if failures == len(_WAITS):
                    log.warning("Log of %s: %s", self.target.container_id[:12], error)
                continue
            looks, failures = looks + 1, 0
            await self._writer.flush(sink)
            # An engine that is going down ends its streams too. The container has
            # ended when looking again finds nothing more.
            if looks > 1 and not wrote:
                rest = at.fresh(assembler.flush())
                await self._writer.put(sink, [*self._budget.said(), *rest])
                await self._writer.flush(sink)
                self._state.change(
                    lambda known: replace(known, finished_at=time.time_ns())
                )
                return
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _pass(self, sink: Sink, at: Position, assembler: Assembler) -> bool:
        """Read until the stream ends: whether anything new came."""
        wrote = False
        batches = self._streams.log_batches(
            self.target.container_id, since=at.since, known=Known(at.lines, at.last)
        )
        async with aclosing(batches):
            async for batch in batches:
                if is_lost(batch):
                    lines = lost_line(batch[0], at.last)
                else:
                    lines = at.fresh(assembler.feed(batch))
                    wrote = wrote or bool(lines)
                    lines = self._budget.take(lines, time.monotonic())
                if lines:
                    await self._writer.put(sink, lines)
        return wrote
