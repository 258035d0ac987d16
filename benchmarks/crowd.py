"""Many open pages, in processes of their own that know nothing of Django.

A page speaks as static/js/live.js does: a cookie, `have`, every message parsed, and the
same waits when the line is lost. A process of them is told words to look for, a line
each, and answers when each of its pages has had a message with that word.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from pathlib import Path
from statistics import quantiles
from time import time
from typing import Any

import websockets

PROCESSES = 2
BACKOFF = (1, 2, 4, 8, 12)
_MANY = 2**24


class Page:
    """at: when a message had `word`, 0 before. bytes: of all messages since."""

    def __init__(self, path: str, name: str, cookie: str) -> None:
        self.path, self.name, self.cookie = path, name, cookie
        self.have: dict[str, int] = {}
        self.up, self.had = asyncio.Event(), asyncio.Event()
        self.word, self.at, self.bytes = "\0", 0.0, 0

    def look_for(self, word: str) -> None:
        self.word, self.at, self.bytes = word, 0.0, 0
        self.had.clear()

    async def live(self) -> None:
        tries = 0
        while True:
            heard = await self._line()
            tries = 0 if heard else tries
            wait = BACKOFF[min(tries, len(BACKOFF) - 1)]
            tries += 1
            await asyncio.sleep(wait * (0.5 + random.random()))

    async def _line(self) -> bool:
        """One connection until it is lost: whether anything was heard on it."""
        heard = False
        try:
            async with websockets.unix_connect(
                self.path,
                f"ws://localhost/ws/endpoints/{self.name}/",
                additional_headers={"Cookie": self.cookie},
                origin=websockets.Origin("http://localhost"),
                max_size=None,
                open_timeout=60,
            ) as socket:
                await socket.send(json.dumps({"have": self.have}))
                async for text in socket:
                    heard = True
                    self._hear(str(text))
        except (OSError, EOFError, websockets.WebSocketException) as error:
            self.lost = error
        return heard

    def _hear(self, text: str) -> None:
        now = time()
        message = json.loads(text)
        self.bytes += len(text)
        self.have.update(message.get("seen", {}))
        if "seq" in message:
            self.have[message["topic"]] = message["seq"]
        self.up.set()
        if not self.at and self.word in text:
            self.at = now
            self.had.set()


class Crowd:
    """All pages, in some processes. Use as a context manager: all are open then."""

    def __init__(self, path: Path, names: list[str], cookie: str) -> None:
        self._parts = []
        for n in range(PROCESSES):
            part = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            self._parts.append(part)
            self._say(part, [str(path), names[n::PROCESSES], cookie])

    def __enter__(self) -> Crowd:
        for part in self._parts:
            self._answer(part)
        return self

    def __exit__(self, *_: object) -> None:
        for part in self._parts:
            part.kill()
            part.wait()

    def look_for(self, word: str) -> None:
        for part in self._parts:
            self._say(part, word)
        for part in self._parts:
            self._answer(part)

    def found(self, since: float) -> dict[str, float]:
        """When the pages had it, in ms after `since`, and bytes sent to all."""
        answers = [self._answer(part) for part in self._parts]
        took = [(at - since) * 1000 for moments, _ in answers for at in moments]
        cuts = quantiles(took, n=100)
        size = sum(count for _, count in answers)
        return {"p50": cuts[49], "p99": cuts[98], "last": max(took), "bytes": size}

    def _say(self, part: subprocess.Popen[str], what: Any) -> None:
        assert part.stdin is not None
        part.stdin.write(json.dumps(what) + "\n")
        part.stdin.flush()

    def _answer(self, part: subprocess.Popen[str]) -> Any:
        assert part.stdout is not None
        return json.loads(part.stdout.readline())


async def main() -> None:
    reader = asyncio.StreamReader(limit=_MANY)
    loop = asyncio.get_running_loop()
    protocol = asyncio.StreamReaderProtocol(reader)
    await loop.connect_read_pipe(lambda: protocol, sys.stdin)

    def say(what: Any) -> None:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()

    path, names, cookie = json.loads(await reader.readline())
    opened = [Page(path, name, cookie) for name in names]
    lines = []
    for page in opened:
        lines.append(asyncio.create_task(page.live()))
        # As people open pages: not all in the same moment.
        await asyncio.sleep(0.004)
    for page in opened:
        await page.up.wait()
    say("open")
    while line := await reader.readline():
        for page in opened:
            page.look_for(json.loads(line))
        say("looking")
        for page in opened:
            await page.had.wait()
        say([[page.at for page in opened], sum(page.bytes for page in opened)])


if __name__ == "__main__":
    asyncio.run(main())
