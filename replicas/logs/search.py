"""Looking through kept logs: newest first, a piece at a time, for a bounded while.

Nothing is held but a block of each attempt that may have a line of that time. A search
that ran out of time or found enough gives a cursor, which says for every attempt that
was begun how far it came, so that going on neither repeats nor skips a line.
"""

from __future__ import annotations

import base64
import binascii
import heapq
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from replicas.logs import files, store
from replicas.logs.records import (
    SOURCE_LETTERS,
    Attempt,
    Line,
    Record,
    decode,
    first_whole,
    lines,
)

# Times of the two streams may be a little out of order (ns).
_ORDER = 2_000_000_000
_RANK = {"i": 0, "w": 1, "e": 2}
# A search takes a core while it runs; who comes meanwhile waits in line.
_TURN = threading.BoundedSemaphore(1)


class BadCursor(Exception):
    """What was sent as a cursor is none of ours."""


@dataclass(frozen=True)
class Query:
    """text: to be found in any case, escapes left out; "" for every line. level: at
    least "info", "warn" or "error". source: "" for all. begin, end: ns, the end not
    included. replica_id, attempt: None for all."""

    text: str = ""
    level: str = "info"
    source: str = ""
    begin: int = 0
    end: int | None = None
    replica_id: int | None = None
    attempt: int | None = None

    def wants(self, record: Record) -> bool:
        source, level = record.flags[0], record.flags[1]
        if self.source and source != SOURCE_LETTERS[self.source]:
            return False
        if _RANK[level] < _RANK[self.level[0]]:
            return False
        if record.at < self.begin or (self.end is not None and record.at >= self.end):
            return False
        return self.text in store.strip_escapes(record.text).lower()

    def may_be_in(self, block: str) -> bool:
        """A quick look at many records: False when none of them has the text."""
        if not self.text:
            return True
        plain = store.strip_escapes(block) if "\x1b" in block else block
        return self.text in plain.lower()


@dataclass
class Found:
    """lines: newest first. next: cursor for older ones, "" when there are none. back:
    how far was looked (ns), 0 when to the end."""

    lines: list[Line] = field(default_factory=list)
    next: str = ""
    back: int = 0


@dataclass
class _Cursor:
    """What is older than `at` was not looked at; of the attempts in `began`, what has a
    number below. Those last written to before `at` were not begun."""

    at: int | None = None
    began: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> _Cursor:
        """Raises BadCursor."""
        if not text:
            return cls()
        try:
            at, began = json.loads(base64.urlsafe_b64decode(text.encode()))
            return cls(int(at), {str(key): int(n) for key, n in began.items()})
        except (binascii.Error, ValueError, TypeError, AttributeError) as error:
            raise BadCursor from error

    def write(self) -> str:
        data = json.dumps([self.at, self.began], separators=(",", ":"))
        return base64.urlsafe_b64encode(data.encode()).decode()


def search(
    endpoint_id: int,
    query: Query,
    limit: int,
    *,
    cursor: str = "",
    seconds: float = 1.0,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """At most `limit` lines, found in about `seconds`. Raises BadCursor."""
    place = _Cursor.read(cursor)
    ids = None if query.replica_id is None else {query.replica_id}
    wanted = [
        one
        for one in store.attempts(endpoint_id, ids)
        if query.attempt in (None, one.attempt)
    ]
    with _TURN:
        return _Search(wanted, replace(query, text=query.text.lower()), place).run(
            limit, clock, clock() + seconds
        )


class _Search:
    def __init__(self, of: list[Attempt], query: Query, place: _Cursor) -> None:
        self._query = query
        self._place = place
        # Not begun, the one that was written last at the end.
        self._later = sorted(
            ((files.modified(one), one) for one in of), key=lambda pair: pair[0]
        )
        self._heap: list[tuple[int, int, _Walk]] = []
        self._done: list[tuple[int, str]] = []

    def run(self, limit: int, clock: Callable[[], float], until: float) -> Found:
        found = Found()
        while True:
            self._begin_later()
            if not self._heap:
                return found
            _, _, walk = self._heap[0]
            if len(found.lines) >= limit or clock() >= until:
                found.back = walk.at
                found.next = self._cursor(walk.at)
                return found
            if walk.record is not None:
                found.lines += lines(walk.attempt, [walk.record])
            if walk.step():
                heapq.heapreplace(self._heap, (-walk.at, id(walk), walk))
            else:
                heapq.heappop(self._heap)
                self._done.append((walk.modified, walk.attempt.key))

    def _begin_later(self) -> None:
        """Those that may have a line as new as the newest that is known."""
        while self._later:
            modified, attempt = self._later[-1]
            if self._heap and modified + _ORDER < self._heap[0][2].at:
                return
            self._later.pop()
            walk = _Walk(attempt, modified, self._query, self._place)
            if walk.step():
                heapq.heappush(self._heap, (-walk.at, id(walk), walk))
            else:
                self._done.append((modified, attempt.key))

    def _cursor(self, at: int) -> str:
        began = {walk.attempt.key: walk.number for _, _, walk in self._heap}
        for modified, key in self._done:
            if modified + _ORDER < at:
                began[key] = 1
        return _Cursor(at, began).write()


class _Walk:
    """One attempt, from its newest line back.

    at: time of what it stands at; record: the line it found there, None after a block
    without one. number: what is from there on is done.
    """

    def __init__(
        self, attempt: Attempt, modified: int, query: Query, place: _Cursor
    ) -> None:
        self.attempt = attempt
        self.modified = modified
        self.at = 0
        self.record: Record | None = None
        self.number = place.began.get(attempt.key, 0)
        self._query = query
        self._below = self.number or None
        # Its clock may have been ahead, so that its lines seem newer.
        begun = place.at is not None and modified + _ORDER >= place.at
        self._older = place.at if begun and self._below is None else None
        self._from = place.at if begun or self._below is not None else None
        self._steps = self._walk()

    def step(self) -> bool:
        """To the next line, or over a block; False at the end."""
        if self.record is not None:
            self.number = self.record.n
        self.record = None
        for at, number, record in self._steps:
            self.at, self.record = at, record
            # Not yet for a line: it is done when the next step is taken.
            self.number = number if record is None else record.n + 1
            return True
        return False

    def _walk(self) -> Iterator[tuple[int, int, Record | None]]:
        known = [at for at in (self._query.end, self._from) if at is not None]
        last = min(known) if known else None
        end = None if last is None else files.position(self.attempt, last + _ORDER)
        for block in files.blocks_back(self.attempt, end):
            first = first_whole(block)
            if first is None:
                continue
            number, oldest = first.n, first.at
            if self._query.may_be_in(block):
                for record in reversed(decode(block)):
                    if self._is_new(record) and self._query.wants(record):
                        yield record.at, record.n, record
            if oldest < self._query.begin - _ORDER:
                return
            yield oldest, number, None

    def _is_new(self, record: Record) -> bool:
        if self._below is not None:
            return record.n < self._below
        return self._older is None or record.at < self._older
