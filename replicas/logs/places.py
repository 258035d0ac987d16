"""Where in a log the records from a time on are."""

from __future__ import annotations

from replicas.logs.records import time_in
from replicas.logs.stored import Stored

_BLOCK = 64 * 1024
# Bytes in which number and time of a record are.
HEAD = 60


def position_in(stored: Stored, at: int) -> int:
    low, high = stored.start, stored.end
    while high - low > _BLOCK:
        middle = (low + high) // 2
        start, time = _record_behind(stored, middle, high)
        if time is None or time >= at:
            high = middle
        else:
            low = start
    while low < stored.end:
        data = stored.read(low, 2 * _BLOCK)
        whole = data[: data.rfind(b"\n") + 1]
        for raw in whole.splitlines(keepends=True):
            time = time_in(raw[:HEAD])
            if time is not None and time >= at:
                return low
            low += len(raw)
        if not whole:
            break
    return low


def _record_behind(stored: Stored, at: int, end: int) -> tuple[int, int | None]:
    """Where the first whole record that begins behind `at` begins, and its time.

    No time when none begins before `end`.
    """
    while at < end:
        data = stored.read(at, _BLOCK)
        newline = data.find(b"\n")
        if newline < 0:
            at += len(data) or end
            continue
        at += newline + 1
        time = time_in(stored.read(at, HEAD)) if at < end else None
        if time is not None:
            return at, time
    return end, None
