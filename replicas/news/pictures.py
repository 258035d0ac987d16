"""What pages show, drawn once for all who show the same.

A thousand pages of one endpoint ask for it in the same moment when it changes. They get
one drawing, begun after all of them had asked, and one text to send.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

# Between the beginnings of two drawings of the same; the last change is always drawn.
PACE_SECONDS = 0.2
# Who is told of the same news asks within this.
_TOGETHER_SECONDS = 0.005

# Texts that count by themselves in the browser: another second is no news.
COUNTING = re.compile(r"(<span data-(?:for|ago|until)=[^>]*>|<time[^>]*>)[^<]*")

Result = TypeVar("Result")


@dataclass(eq=False)
class Picture:
    """Fragments: HTML by element id.

    topic: what they are about. seqs: numbers that they account for. run: of Valkey.
    about: what else whoever drew them found out.
    """

    html: dict[str, str]
    topic: str
    seqs: dict[str, int]
    run: int | None
    about: Any = None
    _texts: dict[Hashable, str] = field(default_factory=dict)

    @cached_property
    def still(self) -> dict[str, str]:
        """Without what counts by itself: two that are equal here look the same."""
        return {name: COUNTING.sub(r"\1", text) for name, text in self.html.items()}

    def message(self, names: tuple[str, ...], seen: dict[str, int]) -> str:
        """The message with these of its fragments. seen: other numbers to tell."""
        key = names, tuple(seen.items())
        if key not in self._texts:
            told: dict[str, Any] = {"topic": self.topic, "kind": "state"}
            if self.topic in self.seqs:
                told["seq"] = self.seqs[self.topic]
            told["seen"] = {**self.seqs, **seen}
            told["html"] = {name: self.html[name] for name in names}
            self._texts[key] = json.dumps(told)
        return self._texts[key]


class Sharing:
    """Does the same work once for all who ask for it. Belongs to one event loop."""

    def __init__(self) -> None:
        self._next: dict[Hashable, asyncio.Task[Any]] = {}
        self._running: dict[Hashable, asyncio.Task[Any]] = {}
        self._rest_until: dict[Hashable, float] = {}

    async def share(
        self, key: Hashable, work: Callable[[], Awaitable[Result]]
    ) -> Result:
        """What `work` gives, begun after this was called; raises what it raises."""
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._turn(key, work))
            task.add_done_callback(_heeded)
        # Others wait for it too, when this one goes away.
        result: Result = await asyncio.shield(task)
        return result

    async def _turn(
        self, key: Hashable, work: Callable[[], Awaitable[Result]]
    ) -> Result:
        loop = asyncio.get_running_loop()
        if (running := self._running.get(key)) is not None:
            await asyncio.wait({running})
        rest = self._rest_until.get(key, 0) - loop.time()
        await asyncio.sleep(max(rest, _TOGETHER_SECONDS))
        me = self._running[key] = self._next.pop(key)
        self._rest_until[key] = loop.time() + PACE_SECONDS
        try:
            return await work()
        finally:
            if self._running.get(key) is me:
                del self._running[key]
            loop.call_later(PACE_SECONDS, self._forget, key)

    def _forget(self, key: Hashable) -> None:
        if self._rest_until.get(key, 0) <= asyncio.get_running_loop().time():
            self._rest_until.pop(key, None)


def _heeded(task: asyncio.Task[Any]) -> None:
    """Whoever asked may be gone by the time it fails."""
    if not task.cancelled():
        task.exception()


_all: WeakKeyDictionary[asyncio.AbstractEventLoop, Sharing] = WeakKeyDictionary()


def sharing() -> Sharing:
    """The one of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _all:
        _all[loop] = Sharing()
    return _all[loop]
