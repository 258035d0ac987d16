"""Where a reader of output is, so that reading again neither repeats nor skips. Pure.

The engine keeps output in files that it begins anew when one is full, and a reader that
follows is not told which: behind by more than one file, it is put at the newest, at
times at its beginning a second time. Times show both: a pause in the middle of much,
or a step back to what was read. Then one reads again from before it, and leaves out
what is known. Parts of one long line share a time, also where they come much later.

Told a time to read from, the engine looks through all it has; told a number of lines,
it goes to them at once. So what is left of a long log is read from its end, which goes
back far enough where it begins among lines that were read.
"""

from __future__ import annotations

from array import array
from collections import Counter

from replicas.engine.base import LOST, NOTHING, Known, LogChunk

_MS = 1_000_000
# How much the times of the two streams may be out of order.
_ORDER = 100 * _MS
# What may be a file that was left out: the engine takes longer to fill one.
_PAUSE = 500 * _MS
# Times are remembered for this long, and so many at most: 16 MB of a flood.
_WINDOW = 60_000 * _MS
_TRIM = 2_000_000
# Lines that may have come meanwhile; where there were more, more are asked for.
_MORE = 250
_GROWTH = 4
_MOST = 64 * _MORE
# One part of a long line may have the time of its beginning, in each of two streams.
_SURE = 3
# Bytes without which no file of the engine's ends.
MUCH = 4 * 1024 * 1024


class Place:
    """since: nanoseconds, inclusive; 0 for all. known: what is left out from there on.

    at: what to read from, after `again`, and ends: how many lines from the end may be
    that much, fewest first. doubt: time of the next chunk when it may not
    be what came next; `believe` or `again` answers it. back: the output went back to
    what was read; only `again` helps. rest: what of the batch was kept back then.
    """

    def __init__(self, since: int, known: Known = NOTHING) -> None:
        self.at = self._since = since
        self.newest = since
        self.ends: list[int] = []
        self._reader = known
        self.doubt = 0
        self.back = False
        self.rest: list[LogChunk] = []
        self._before = since
        self._seen = array("q")
        self._known: Counter[int] = Counter()
        self._until = 0
        # Times from before what is to be read, and whether it is read from the end.
        self._old: set[int] = set()
        self._near = False
        # Bytes since a pause was last looked into.
        self._weight = 0
        self._lost = 0
        # Time of the last part of a line that has not ended, by stream.
        self._open: dict[str, int] = {}

    def weigh(self, size: int) -> None:
        """So many bytes came from the engine."""
        self._weight += size

    def again(self) -> None:
        """The next batches are read anew from `at`."""
        if self._seen:
            begin = min(self.newest - _ORDER, *self._open.values(), self.newest)
            self.at = max(self._since, begin)
        # All of them once: they may be millions.
        late = [at for at in self._seen if at >= self.at - _ORDER]
        self._known = Counter(at for at in late if at >= self.at)
        self._until = max(self.newest, self._reader.newest)
        self.ends = _ends(self._reach(len(late)))
        self._old, self._near = set(), False
        self.doubt, self.back, self.rest = 0, False, []

    def joins(self, chunks: list[LogChunk]) -> bool | None:
        """Whether what is read from the end goes back to what was read before.

        None: more has to be seen. To be asked until it says; nothing of what came
        before it said yes is news.
        """
        for chunk in chunks:
            if chunk.at >= self.at - _ORDER:
                self._old.clear()
                return False
            self._old.add(chunk.at)
            if len(self._old) == _SURE:
                self._near = True
                return True
        return None

    def believe(self) -> list[LogChunk]:
        """Nothing, or the pause, is odd about it: what was kept back."""
        if self.doubt:
            self.doubt, self._weight = 0, 0
        rest, self.rest = self.rest, []
        return rest

    def missed(self, oldest: int) -> None:
        """The engine has nothing from before `oldest` any more."""
        self._weight = 0
        if oldest > self.newest:
            self._lost = oldest

    def fresh(self, batch: list[LogChunk], *, whole: bool = False) -> list[LogChunk]:
        """What of this batch was not read before, up to where it is in doubt.

        whole: nothing is, since it was read in one go.
        """
        if self._near:
            batch = self._later(batch)
        if self._known:
            batch = [chunk for chunk in batch if not self._had(chunk)]
        if not batch:
            return []
        times = [chunk.at for chunk in batch]
        end, step = len(batch), 0
        if not whole and self._is_odd(times):
            end, step = self._first_odd(batch)
        self.rest = batch[end:]
        self._note(batch[:end], times[step:end])
        return batch[:end]

    def gap(self, batch: list[LogChunk]) -> LogChunk | None:
        """What is to be said before this batch, which was fresh just now."""
        if not self._lost or not batch:
            return None
        lost, self._lost = self._lost, 0
        if batch[0].at < lost:
            return None
        return LogChunk(batch[0].at, LOST, str(self._before))

    def endings(self) -> list[LogChunk]:
        """What completes the lines that no newline ended, once the output is over."""
        return [LogChunk(at, stream, "") for stream, at in self._open.items()]

    def _reach(self, late: int) -> int:
        """How many lines from the end are known to be as late as `at`, or nearly."""
        if not self._seen:
            return self._reader.lines
        return late if len(self._seen) - late >= _SURE else 0

    def _later(self, batch: list[LogChunk]) -> list[LogChunk]:
        """Without what the engine would not have given, told a time."""
        for number, chunk in enumerate(batch):
            if chunk.at > self._until:
                self._near = False
                return [c for c in batch[:number] if c.at >= self.at] + batch[number:]
        return [chunk for chunk in batch if chunk.at >= self.at]

    def _had(self, chunk: LogChunk) -> bool:
        left = self._known.get(chunk.at, 0)
        if left:
            self._known[chunk.at] = left - 1
        elif chunk.at > self._until:
            self._known.clear()
        return left > 0

    def _is_odd(self, times: list[int]) -> bool:
        high = max(times)
        wide = self._is_pause(high - self.newest)
        return wide or min(times) < max(self.newest, high) - _ORDER

    def _first_odd(self, batch: list[LogChunk]) -> tuple[int, int]:
        """How many follow on, and from which on the clock was another."""
        newest, step = self.newest, 0
        for number, chunk in enumerate(batch):
            if chunk.at < newest - _ORDER and not self._goes_on(chunk):
                if chunk.at in self._seen:
                    self.back = True
                    return number, step
                # Somebody set the clock back: times begin anew.
                self._since = 0
                self._seen = array("q")
                self.newest = newest = chunk.at
                step = number
            elif self._is_pause(chunk.at - newest) and (self._seen or number):
                self.doubt = chunk.at
                return number, step
            newest = max(newest, chunk.at)
        return len(batch), step

    def _is_pause(self, length: int) -> bool:
        return length > _PAUSE and self._weight >= MUCH

    def _goes_on(self, chunk: LogChunk) -> bool:
        return self._open.get(chunk.stream) == chunk.at

    def _note(self, batch: list[LogChunk], times: list[int]) -> None:
        self._before = self.newest
        if not times:
            return
        self.newest = max(self.newest, max(times))
        self._seen.extend(times)
        if self._open or not all(chunk.complete for chunk in batch):
            for chunk in batch:
                if chunk.complete:
                    self._open.pop(chunk.stream, None)
                else:
                    self._open[chunk.stream] = chunk.at
        if len(self._seen) > _TRIM:
            self._trim()

    def _trim(self) -> None:
        oldest = min(self.newest - _WINDOW, *self._open.values(), self.newest)
        kept = array("q", [at for at in self._seen if at >= oldest])
        self._seen = kept[len(kept) // 2 :] if len(kept) > _TRIM // 2 else kept


def _ends(reach: int) -> list[int]:
    found, more = [], _MORE
    while reach and more <= _MOST:
        found.append(reach + more)
        more *= _GROWTH
    return found
