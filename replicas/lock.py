"""One pass at a time for each endpoint, over all workers, with no call lost.

A call leaves a mark before it tries the lock. Whoever holds the lock looks for marks
newer than its own pass before it leaves; so a call that finds the lock taken may go.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from redis.exceptions import LockError

from endpoints.valkey import valkey

# A pass is short; a worker that froze in one loses the lock after this long, and the
# guarded moves keep it from doing harm when it comes back.
_LEASE_SECONDS = 60


def mark(endpoint_id: int) -> int:
    """Leave a mark: somebody wants this endpoint looked at."""
    count: int = valkey().incr(f"alight:look:{endpoint_id}")
    return count


def marks(endpoint_id: int) -> int:
    return int(valkey().get(f"alight:look:{endpoint_id}") or 0)


@contextmanager
def held(endpoint_id: int) -> Iterator[bool]:
    """Whether the lock was free and is now ours; never waits."""
    lock = valkey().lock(f"alight:lock:{endpoint_id}", timeout=_LEASE_SECONDS)
    if not lock.acquire(blocking=False):
        yield False
        return
    try:
        yield True
    finally:
        # The lease may have run out while we worked.
        with suppress(LockError):
            lock.release()
