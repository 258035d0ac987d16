"""Lines of many containers, on their way to files and open pages.

One task writes for all: while it writes, more lines gather, so that a quiet line goes
out at once and a flood goes out in large pieces. Files come first; what Valkey misses,
readers find there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor

import redis

from endpoints.valkey import async_valkey
from replicas.engine.base import LogChunk
from replicas.logs import feed
from replicas.logs.records import Attempt
from replicas.logs.sink import Sink

log = logging.getLogger(__name__)

# Between two writings, unless much is waiting: a line that comes alone goes at once, of
# those in a stream many go together.
_PACE = 0.03
_RETRY_SECONDS = 1.0
_VALKEY_SECONDS = 2.0
_VALKEY_REST = 5.0


class Writer:
    """Belongs to one event loop; `close` writes what is left."""

    def __init__(self) -> None:
        self._valkey = async_valkey()
        self._rest_until = 0.0
        self._closing = False
        self._dirty: set[Sink] = set()
        self._news = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="logs")
        self._task = asyncio.create_task(self._run())

    async def put(self, sink: Sink, lines: list[LogChunk]) -> None:
        """Take them; waits only while too much of this container is unwritten."""
        sink.put(lines)
        self._touch(sink)
        if not sink.room.is_set():
            await sink.room.wait()

    async def flush(self, sink: Sink) -> None:
        """Until everything taken is on file, however long the disk is full."""
        await sink.empty.wait()

    async def show_partial(self, attempt: Attempt, src: str, text: str) -> None:
        """Show pages the line being written; "" when it is over. Never stored."""
        pipe = self._valkey.pipeline(transaction=False)
        feed.add_partial(pipe, attempt, src, text)
        await self._execute(pipe)

    async def watched(self, endpoint_ids: set[int]) -> set[int]:
        """Those of these endpoints whose log somebody looks at."""
        with contextlib.suppress(redis.RedisError, TimeoutError):
            async with asyncio.timeout(_VALKEY_SECONDS):
                return await feed.watched(self._valkey, endpoint_ids)
        return set()

    async def close(self) -> None:
        # Not cancelled: what is being written is also published.
        self._closing = True
        self._news.set()
        await self._task
        self._thread.shutdown()
        await self._valkey.aclose()

    def _touch(self, sink: Sink) -> None:
        self._dirty.add(sink)
        self._news.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        publishing: asyncio.Task[None] | None = None
        while not self._closing or self._dirty:
            await self._news.wait()
            self._news.clear()
            sinks, self._dirty = self._dirty, set()
            # Here and not in the thread: a busy thread would make every read of the
            # loop wait for the interpreter's lock.
            for sink in sinks:
                _prepare(sink)
            blocks = await loop.run_in_executor(self._thread, _write_all, sinks)
            behind = False
            for sink in sinks:
                if sink.settle():
                    if sink.stuck:
                        loop.call_later(_RETRY_SECONDS, self._touch, sink)
                    else:
                        behind = behind or sink.many
                        self._touch(sink)
            # The next lines are written while these are published, in order.
            if publishing is not None:
                await publishing
            publishing = asyncio.create_task(self._publish(blocks))
            if not behind and not self._closing:
                await asyncio.sleep(_PACE)
        if publishing is not None:
            await publishing

    async def _publish(self, blocks: list[tuple[Attempt, str]]) -> None:
        if blocks:
            pipe = self._valkey.pipeline(transaction=False)
            for attempt, block in blocks:
                feed.add(pipe, attempt, block)
            await self._execute(pipe)

    async def _execute(self, pipe: redis.asyncio.client.Pipeline) -> None:
        if time.monotonic() < self._rest_until:
            return
        try:
            async with asyncio.timeout(_VALKEY_SECONDS):
                await pipe.execute()
        except (redis.RedisError, TimeoutError, OSError):
            # Pages notice the missing numbers and read the files.
            self._rest_until = time.monotonic() + _VALKEY_REST
            log.warning("Valkey took no log lines; pages are late", exc_info=True)


def _prepare(sink: Sink) -> None:
    try:
        sink.prepare()
    except Exception:
        # One container's odd bytes must not end the logs of all others.
        log.exception("Lines of replica %s were lost", sink.attempt.replica_id)


def _write_all(sinks: set[Sink]) -> list[tuple[Attempt, str]]:
    blocks = []
    for sink in sinks:
        try:
            if block := sink.write():
                blocks.append((sink.attempt, block))
        except OSError:
            log.exception("The log of replica %s waits", sink.attempt.replica_id)
    return blocks
