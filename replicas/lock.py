"""One pass at a time for each endpoint, over all workers, with no call lost.

A call leaves a mark before it tries the lock. Whoever holds the lock looks for marks
newer than its own pass before it leaves; so a call that finds the lock taken may go.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

from redis.exceptions import RedisError
from redis.lock import Lock

from endpoints.valkey import valkey

# A worker that was killed or froze in a pass loses the lock after this long; the
# guarded moves keep a frozen one from doing harm when it comes back. A living one
# renews in time, however long its pass takes.
_LEASE_SECONDS = 8
_RENEW_SECONDS = 2


def mark(endpoint_id: int) -> int:
    """Leave a mark: somebody wants this endpoint looked at."""
    count: int = valkey().incr(f"alight:look:{endpoint_id}")
    return count


def marks(endpoint_id: int) -> int:
    return int(valkey().get(f"alight:look:{endpoint_id}") or 0)


@contextmanager
def held(endpoint_id: int) -> Iterator[bool]:
    """Whether the lock was free and is now ours; never waits."""
    # Not thread-local: the renewing thread owns it as well.
    lock = valkey().lock(
        f"alight:lock:{endpoint_id}", timeout=_LEASE_SECONDS, thread_local=False
    )
    if not lock.acquire(blocking=False):
        yield False
        return
    _renewer().add(lock)
    try:
        yield True
    finally:
        _renewer().drop(lock)
        # The lease may have run out while Valkey or this process was away.
        with suppress(RedisError):
            lock.release()


class _Renewer:
    """Extends the locks this process holds, from one thread."""

    def __init__(self) -> None:
        self._held: set[Lock] = set()
        self._guard = threading.Lock()
        threading.Thread(target=self._run, name="locks", daemon=True).start()

    def add(self, lock: Lock) -> None:
        with self._guard:
            self._held.add(lock)

    def drop(self, lock: Lock) -> None:
        with self._guard:
            self._held.discard(lock)

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(_RENEW_SECONDS)
            with self._guard:
                held = list(self._held)
            for lock in held:
                with suppress(RedisError):
                    lock.extend(_LEASE_SECONDS, replace_ttl=True)


@cache
def _renewer() -> _Renewer:
    return _Renewer()
