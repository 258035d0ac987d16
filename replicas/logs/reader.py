"""What an open page is told of an endpoint's log.

A page has, for every attempt, the number of the last line it was given (its cursors).
`backlog` gives what came after them, from the files; `follow` goes on from there with
what the stream brings. Numbers have no holes: what was given already is left out, and
what the stream lacks is read from the file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, TypedDict

from replicas.logs import files, store
from replicas.logs.absent import absences
from replicas.logs.courier import Bag, Courier, courier
from replicas.logs.records import Attempt, Line, Record, decode, lines
from replicas.logs.threads import in_thread

# Messages to one page: at most this many lines, and at least so far apart.
_LINES = 500
_PACE = 0.1
# After so long without news the files are looked at: what was not told is there.
_LOOK_SECONDS = 10.0
# Letters of a line that a page shows; the download has them all.
_SHOWN = 4096


class Lines(TypedDict, total=False):
    """A message to the page.

    dropped: lines left out before these; absent when none were. lines: `Line.to_page`
    of each. partials: lines being written now, {k, r, src, text}; text "" when one is
    over. cursors: those that changed, to be sent back on reconnecting. total: lines
    ever written. absent: to a page that has nothing yet, what is not kept any more:
    {k, r, a, text}, or {text} for several attempts.
    """

    topic: str
    kind: str
    lines: list[dict[str, Any]]
    partials: list[dict[str, Any]]
    cursors: dict[str, int]
    total: int
    dropped: int
    absent: list[dict[str, Any]]


@dataclass
class _News:
    """What was taken from files or stream and is still to be sent."""

    lines: list[Line] = field(default_factory=list)
    partials: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    cursors: dict[str, int] = field(default_factory=dict)
    dropped: int = 0

    def __bool__(self) -> bool:
        return bool(self.lines or self.partials or self.cursors)

    def add(self, attempt: Attempt, records: list[Record]) -> None:
        """Keep the newest: no page can show a flood."""
        self.lines.extend(lines(attempt, records[-_LINES:]))
        self.dropped += max(0, len(records) - _LINES)
        if (over := len(self.lines) - _LINES) > 0:
            del self.lines[:over]
            self.dropped += over

    def message(self, total: int) -> Lines:
        message = Lines(
            topic="log",
            kind="lines",
            lines=[_to_page(line) for line in self.lines],
            cursors=self.cursors,
            total=total,
        )
        if self.partials:
            message["partials"] = list(self.partials.values())
        if self.dropped:
            message["dropped"] = self.dropped
        return message


class LogReader:
    """Call `backlog`, then iterate `follow`, then `close`. For one page and loop."""

    def __init__(self, endpoint_id: int) -> None:
        self._endpoint_id = endpoint_id
        self._courier: Courier | None = None
        self._bag: Bag | None = None
        self._attempts: dict[str, Attempt] = {}
        self._cursors: dict[str, int] = {}

    async def backlog(
        self, last_ids: dict[str, int] | None = None, limit: int = 2000
    ) -> Lines:
        """The newest `limit` lines; with cursors, of those that came after them.

        `dropped` then counts what came after them and is left out.
        """
        # First the stream, then the files: what comes between is in both.
        await self._listen()
        last = last_ids or {}
        news = await in_thread(lambda: self._read(last, limit))
        message = news.message(self._total())
        if not last and (absent := await in_thread(self._absent)):
            message["absent"] = absent
        return message

    async def follow(self) -> AsyncIterator[Lines]:
        """What is new: the first line at once, then some times a second.

        Never ends. Without Valkey it goes on, slower.
        """
        bag = await self._listen()
        while True:
            if entries := await bag.take(_LOOK_SECONDS):
                news = _News()
                for entry in entries:
                    await self._accept(news, entry)
            else:
                # Valkey is away, or what nobody told of is on file.
                news = await in_thread(lambda: self._read(self._cursors, _LINES))
            if news:
                yield news.message(self._total())
                await asyncio.sleep(_PACE)

    async def close(self) -> None:
        if self._courier is not None and self._bag is not None:
            await self._courier.leave(self._bag)
            self._bag = None

    async def _listen(self) -> Bag:
        if self._bag is None:
            self._courier = courier()
            self._bag = await self._courier.join(self._endpoint_id)
        return self._bag

    def _total(self) -> int:
        return sum(self._cursors.values())

    # --- Files ---------------------------------------------------------------
    def _read(self, last: dict[str, int], limit: int) -> _News:
        """What the files have after `last`; moves the cursors to their ends."""
        attempts = store.attempts(self._endpoint_id)
        self._attempts |= {attempt.key: attempt for attempt in attempts}
        # Before the lines: one that is written meanwhile is among them.
        cursors = {attempt.key: files.last_number(attempt) for attempt in attempts}
        behind = [one for one in attempts if cursors[one.key] > last.get(one.key, 0)]
        found = store.newest(behind, limit, after=last)
        for line in found:
            key = line.attempt.key
            cursors[key] = max(cursors[key], line.n)
        changed = {k: n for k, n in cursors.items() if self._cursors.get(k) != n}
        self._cursors = cursors
        known = last.keys() & cursors.keys()
        missed = sum(cursors[key] - last[key] for key in known)
        given = sum(line.attempt.key in known for line in found)
        return _News(lines=found, cursors=changed, dropped=max(0, missed - given))

    def _absent(self) -> list[dict[str, Any]]:
        found = absences(self._endpoint_id, self._attempts.values())
        return [one.to_page() for one in found]

    # --- Stream --------------------------------------------------------------
    async def _accept(self, news: _News, fields: dict[str, str]) -> None:
        key = fields["k"]
        if key not in self._attempts:
            await in_thread(self._learn_attempts)
        attempt = self._attempts.get(key)
        if attempt is None:
            return
        if "p" in fields:
            src, _, text = fields["p"].partition(" ")
            partial = {"k": key, "r": attempt.number, "src": src, "text": text}
            news.partials[key, src] = partial
            return
        cursor = self._cursors.get(key, 0)
        fresh = [record for record in decode(fields["d"]) if record.n > cursor]
        if not fresh:
            return
        if fresh[0].n > cursor + 1:
            fresh = await self._with_missing(attempt, cursor, fresh)
            news.dropped += fresh[0].n - cursor - 1
        news.add(attempt, fresh)
        self._cursors[key] = news.cursors[key] = fresh[-1].n

    async def _with_missing(
        self, attempt: Attempt, cursor: int, fresh: list[Record]
    ) -> list[Record]:
        """The stream lacks lines before these: the file has them."""
        found = await in_thread(
            lambda: files.last_records(attempt, _LINES, after=cursor)
        )
        return [record for record in found if record.n < fresh[0].n] + fresh

    def _learn_attempts(self) -> None:
        for attempt in store.attempts(self._endpoint_id):
            self._attempts[attempt.key] = attempt


def _to_page(line: Line) -> dict[str, Any]:
    page = line.to_page()
    if len(line.text) > _SHOWN:
        rest = len(line.text) - _SHOWN
        page["text"] = f"{line.text[:_SHOWN]} … {rest:,} more letters in the download"
    return page
