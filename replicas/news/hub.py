"""One ear for all open pages of a process.

News comes in once, however many pages wait for it. What was lost on the way is noticed
by its number: at once when later news of the topic comes, else within `CHECK_SECONDS`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer

from endpoints.live import News
from replicas.news import RUN, current

log = logging.getLogger(__name__)

# Between two looks at the numbers of all topics.
CHECK_SECONDS = 15


@dataclass(frozen=True)
class Heard:
    """News, and whether nothing of its topic is missing before it."""

    news: News
    whole: bool

    @cached_property
    def text(self) -> str:
        """As pages are sent it, made once for all of them."""
        return self._as_text(seq=self.news["seq"])

    @cached_property
    def text_without_number(self) -> str:
        """For a page that has not been drawn that far yet."""
        return self._as_text()

    def _as_text(self, **number: int) -> str:
        news = self.news
        said = {"topic": news["topic"], "kind": news["kind"], "data": news["data"]}
        return json.dumps({**said, **number})


class Listener(Protocol):
    """Neither may wait: others are told after it."""

    def hear(self, heard: Heard) -> None: ...

    def missed(self, topics: Collection[str]) -> None:
        """Something of these was lost; what, nobody knows."""


class Hub:
    """Belongs to one event loop. `seqs` has the newest numbers heard, and RUN."""

    def __init__(self) -> None:
        self.seqs: dict[str, int] = {}
        self._wanted: dict[Listener, frozenset[str]] = {}
        self._listeners: dict[str, set[Listener]] = {}
        self._layer: Any = get_channel_layer()
        self._channel = ""
        self._joined: set[str] = set()
        self._joining = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    async def listen(self, listener: Listener, wanted: Collection[str]) -> None:
        """From now on to these topics and to no others.

        While Valkey is away they are joined with one of the next checks.
        """
        before, after = self._wanted.get(listener, frozenset()), frozenset(wanted)
        for topic in after - before:
            self._listeners.setdefault(topic, set()).add(listener)
        for topic in before - after:
            self._listeners[topic].discard(listener)
            if not self._listeners[topic]:
                del self._listeners[topic]
                self.seqs.pop(topic, None)
        self._wanted[listener] = after
        await self._join()
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._receive()),
                asyncio.create_task(self._check_now_and_then()),
            ]

    async def leave(self, listener: Listener) -> None:
        if listener not in self._wanted:
            return
        await self.listen(listener, ())
        self._wanted.pop(listener, None)
        if not self._wanted:
            for task in self._tasks:
                task.cancel()
            self._tasks, self._channel = [], ""
            self._joined.clear()

    async def numbers(self, topics: Collection[str]) -> dict[str, int]:
        """As `current`. Known ones stay what was heard, which a check compares."""
        now = await asyncio.to_thread(current, sorted(topics))
        for topic, seq in now.items():
            self.seqs.setdefault(topic, seq)
        return now

    async def _join(self) -> None:
        async with self._joining:
            try:
                if not self._channel:
                    self._channel = await self._layer.new_channel()
                for topic in self._listeners.keys() - self._joined:
                    await self._layer.group_add(topic, self._channel)
                    self._joined.add(topic)
                for topic in self._joined - self._listeners.keys():
                    await self._layer.group_discard(topic, self._channel)
                    self._joined.discard(topic)
            except Exception:
                # Valkey is away. A check tries again, and everyone looks meanwhile.
                log.warning("Pages could not listen for news", exc_info=True)

    async def _receive(self) -> None:
        while True:
            if not self._channel:
                await asyncio.sleep(1)
                await self._join()
                continue
            try:
                self._tell(await self._layer.receive(self._channel))
            except Exception:
                # The next check finds what this was about.
                log.exception("News could not be heard")
                await asyncio.sleep(1)

    def _tell(self, news: News) -> None:
        topic, seq = news["topic"], news["seq"]
        before = self.seqs.get(topic, seq - 1)
        self.seqs[topic] = max(seq, before)
        heard = Heard(news, whole=seq <= before + 1)
        for listener in list(self._listeners.get(topic, ())):
            listener.hear(heard)

    async def _check_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await self.check()
            except Exception:
                log.exception("The numbers of the news could not be checked")

    async def check(self) -> None:
        """Tell of topics whose newest number was not heard; of all without Valkey."""
        await self._join()
        now = await asyncio.to_thread(current, sorted(self._listeners))
        known = self.seqs
        if not now or now[RUN] != known.get(RUN):
            lost = set(self._listeners)
            self.seqs = now or known
        else:
            lost = {t for t, seq in now.items() if seq > known.get(t, seq)}
            known.update({t: max(seq, known.get(t, 0)) for t, seq in now.items()})
        for listener, wanted in list(self._wanted.items()):
            if missing := wanted & lost:
                listener.missed(missing)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The one of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
