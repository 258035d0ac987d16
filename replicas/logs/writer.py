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
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import redis

from endpoints.valkey import async_valkey
from replicas.logs import feed
from replicas.logs.files import LogFile
from replicas.logs.levels import Levels
from replicas.logs.lines import Raw, cut, resolve
from replicas.logs.masks import Masker
from replicas.logs.records import LEVEL_LETTERS, SOURCE_LETTERS, Attempt, Draft

log = logging.getLogger(__name__)

# Lines of one container written in one go, so that a flood delays nobody for long.
_BATCH = 4000
# A reader waits while so much of its container is unwritten.
_LINES_HELD = 20_000
_LETTERS_HELD = 8 * 1024 * 1024
_RETRY_SECONDS = 1.0
_VALKEY_SECONDS = 2.0
_VALKEY_REST = 5.0


class Sink:
    """What one container wrote and nobody has written down yet."""

    def __init__(self, attempt: Attempt, file: LogFile, masker: Masker) -> None:
        self.attempt = attempt
        self._file = file
        self._masker = masker
        self._levels: dict[str, Levels] = defaultdict(Levels)
        self._waiting: list[Raw] = []
        self._letters = 0
        # Prepared, but not written: the disk was full.
        self._drafts: list[Draft] = []
        self.room = asyncio.Event()
        self.empty = asyncio.Event()
        self.room.set()
        self.empty.set()

    def put(self, lines: list[Raw]) -> None:
        self._waiting.extend(lines)
        self._letters += sum(len(line.text) for line in lines)
        self.empty.clear()
        if len(self._waiting) > _LINES_HELD or self._letters > _LETTERS_HELD:
            self.room.clear()

    def take(self) -> list[Raw]:
        """The next lines to write; none while earlier ones could not be."""
        if self._drafts:
            return []
        lines, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
        self._letters -= sum(len(line.text) for line in lines)
        return lines

    def settle(self) -> bool:
        """After writing: let readers go on. True when more is waiting."""
        if len(self._waiting) <= _LINES_HELD // 2:
            self.room.set()
        if not self._waiting and not self._drafts:
            self.empty.set()
            return False
        return True

    def give_up(self) -> None:
        """Forget what is not written; the engine still has it."""
        self._waiting, self._drafts = [], []
        self._letters = 0
        self._file.close()
        self.empty.set()

    @property
    def stuck(self) -> bool:
        return bool(self._drafts)

    def write(self, lines: list[Raw]) -> str:
        """Prepare and write, in a thread: the records. Raises OSError."""
        self._drafts.extend(self._prepare(lines))
        if not self._drafts:
            return ""
        _, block = self._file.append(self._drafts)
        self._drafts = []
        return block

    def _prepare(self, lines: list[Raw]) -> list[Draft]:
        shown = [resolve(line.text) for line in lines]
        # No text holds a newline, so all can be masked in one go.
        whole = "\n".join([text for text, _ in shown])
        texts = self._masker.mask(whole).split("\n")
        levels = self._levels
        return [
            Draft(
                at,
                SOURCE_LETTERS[stream]
                + LEVEL_LETTERS[levels[stream].of(text)]
                + ("r" if redrew else "-"),
                cut(text),
            )
            for (at, stream, _), text, (_, redrew) in zip(
                lines, texts, shown, strict=True
            )
        ]


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

    async def put(self, sink: Sink, lines: list[Raw]) -> None:
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
        while not self._closing or self._dirty:
            await self._news.wait()
            self._news.clear()
            sinks, self._dirty = self._dirty, set()
            work = [(sink, sink.take()) for sink in sinks]
            blocks = await loop.run_in_executor(self._thread, _write_all, work)
            for sink in sinks:
                if sink.settle():
                    if sink.stuck:
                        loop.call_later(_RETRY_SECONDS, self._touch, sink)
                    else:
                        self._touch(sink)
            await self._publish(blocks)

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


def _write_all(work: list[tuple[Sink, list[Raw]]]) -> list[tuple[Attempt, str]]:
    blocks = []
    for sink, lines in work:
        try:
            block = sink.write(lines)
        except OSError:
            log.exception("The log of replica %s waits", sink.attempt.replica_id)
            continue
        except Exception:
            # One container's odd bytes must not end the logs of all others.
            log.exception("Lines of replica %s were lost", sink.attempt.replica_id)
            continue
        if block:
            blocks.append((sink.attempt, block))
    return blocks
