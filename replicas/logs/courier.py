"""Brings what the streams of open logs carry to the pages of this process.

One connection waits for all of them. What a page does not take in time gives way to
what is newer: its reader notices by the numbers, and takes it from the file.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections import deque
from typing import Any
from weakref import WeakKeyDictionary

import redis
from django.conf import settings

from endpoints.valkey import async_valkey
from replicas.logs import feed

# Entries of one stream taken at once, and held for one page.
_ENTRIES = 64
# How long one look waits; below its client's own patience.
_WAIT_MS = 2000
_AWAY_SECONDS = 1.0
_BELL_SECONDS = 60

Entry = dict[str, str]


class Bag:
    """What came for one page and was not taken yet."""

    def __init__(self, endpoint_id: int) -> None:
        self.endpoint_id = endpoint_id
        # Nothing can come: Valkey does not answer.
        self.away = False
        self._entries: deque[Entry] = deque(maxlen=_ENTRIES)
        self._filled = asyncio.Event()

    def put(self, entries: list[Entry]) -> None:
        self._entries.extend(entries)
        self._filled.set()

    async def take(self, seconds: float) -> list[Entry]:
        """All that came; waits so long for the first of it, or shorter while away."""
        patience = min(seconds, _AWAY_SECONDS) if self.away else seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._filled.wait()
        self._filled.clear()
        entries = list(self._entries)
        self._entries.clear()
        return entries


class Courier:
    """Belongs to one event loop and lives while somebody has a bag."""

    def __init__(self) -> None:
        self._client: Any = async_valkey()
        self._bags: dict[int, set[Bag]] = {}
        self._positions: dict[int, str] = {}
        # A stream of its own: what is written there ends the wait.
        self._bell, self._rung = f"alight:log:bell:{uuid.uuid4().hex}", "0-0"
        self._joining = asyncio.Lock()
        self._said_watching: dict[int, float] = {}
        self._task: asyncio.Task[None] | None = None

    async def join(self, endpoint_id: int) -> Bag:
        """From now on all that the endpoint's stream carries is put into the bag."""
        bag = Bag(endpoint_id)
        self._bags.setdefault(endpoint_id, set()).add(bag)
        async with self._joining:
            if endpoint_id not in self._positions:
                self._positions[endpoint_id] = await self._newest(endpoint_id)
                await self._ring()
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return bag

    async def leave(self, bag: Bag) -> None:
        bags = self._bags.get(bag.endpoint_id, set())
        bags.discard(bag)
        if not bags:
            for known in (self._bags, self._positions, self._said_watching):
                known.pop(bag.endpoint_id, None)
        if not self._bags and self._task is not None:
            self._task.cancel()
            self._task = None
            _forget(self)
            await self._client.aclose()

    async def _run(self) -> None:
        # Looked at as well: the client may swallow a cancellation.
        while self._bags:
            try:
                await self._say_watching()
                answer = await self._client.xread(
                    {self._bell: self._rung}
                    | {feed.key(e): at for e, at in self._positions.items()},
                    count=_ENTRIES,
                    block=_WAIT_MS,
                )
            except (redis.RedisError, OSError):
                self._tell_away(True)
                await asyncio.sleep(_AWAY_SECONDS)
                continue
            self._tell_away(False)
            for name, entries in answer or ():
                self._hand_out(name, entries)

    def _hand_out(self, name: str, entries: list[tuple[str, Entry]]) -> None:
        if name == self._bell:
            self._rung = entries[-1][0]
            return
        endpoint_id = feed.endpoint_of(name)
        if endpoint_id not in self._positions:
            return
        self._positions[endpoint_id] = entries[-1][0]
        for bag in self._bags.get(endpoint_id, ()):
            bag.put([fields for _, fields in entries])

    def _tell_away(self, away: bool) -> None:
        for bags in self._bags.values():
            for bag in bags:
                if away and not bag.away:
                    bag.put([])
                bag.away = away

    async def _newest(self, endpoint_id: int) -> str:
        try:
            newest = await self._client.xrevrange(feed.key(endpoint_id), count=1)
        except (redis.RedisError, OSError):
            return "0-0"
        return str(newest[0][0]) if newest else "0-0"

    async def _ring(self) -> None:
        with contextlib.suppress(redis.RedisError, OSError):
            pipe = self._client.pipeline(transaction=False)
            pipe.xadd(self._bell, {"r": ""}, maxlen=1)
            pipe.expire(self._bell, _BELL_SECONDS)
            await pipe.execute()

    async def _say_watching(self) -> None:
        now = time.monotonic()
        for endpoint_id in list(self._bags):
            if now - self._said_watching.get(endpoint_id, 0) > 2 * _WAIT_MS / 1000:
                await feed.watch(self._client, endpoint_id)
                self._said_watching[endpoint_id] = now


_All = WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Courier]]
_couriers: _All = WeakKeyDictionary()


def courier() -> Courier:
    """The one of the running loop, to the Valkey of the settings."""
    mine = _couriers.setdefault(asyncio.get_running_loop(), {})
    url = settings.ALIGHT_VALKEY_URL
    if url not in mine:
        mine[url] = Courier()
    return mine[url]


def _forget(gone: Courier) -> None:
    mine = _couriers.get(asyncio.get_running_loop(), {})
    for url, known in list(mine.items()):
        if known is gone:
            del mine[url]
