"""Ordinary functions called from the runner's loop, in threads of their own.

Two sets of threads: what waits on the engine is slow when the engine is, and must keep
neither the second's look at traffic nor a wake from their turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections, connections

P = ParamSpec("P")
T = TypeVar("T")

_QUICK_THREADS = 8
_QUICK = ThreadPoolExecutor(_QUICK_THREADS, thread_name_prefix="runner")
# Reconcile passes; a few side by side keep one slow start from delaying the others.
SLOW_THREADS = 8
_SLOW = ThreadPoolExecutor(SLOW_THREADS, thread_name_prefix="runner-pass")
# Each with the number of its threads.
POOLS = {_QUICK: _QUICK_THREADS, _SLOW: SLOW_THREADS}

# A worker asks several times a second, also where nothing is to be done. Opening a file
# of SQLite takes as long as asking it, and whoever is the last to close it tidies up.
_KEPT_SECONDS = 60


def keep_connections() -> None:
    """In this process every thread keeps its connection to SQLite for a while."""
    for database in connections.settings.values():
        if database["ENGINE"] == "django.db.backends.sqlite3":
            database["CONN_MAX_AGE"] = _KEPT_SECONDS


async def in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Await what asks the database or the ingress, with fresh connections around it."""
    return await _in(_QUICK, call, *args, **kwargs)


async def in_slow_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Await what asks the engine, or whatever else may take its time."""
    return await _in(_SLOW, call, *args, **kwargs)


async def _in(
    pool: ThreadPoolExecutor, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:

    def run() -> T:
        close_old_connections()
        try:
            return call(*args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(pool, run)
