"""Database and engine calls from the runner's loop, in threads of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

P = ParamSpec("P")
T = TypeVar("T")

# Reconcile passes wait on the engine; a few side by side keep one slow start from
# delaying the others.
_POOL = ThreadPoolExecutor(max_workers=8, thread_name_prefix="runner")


async def in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Await an ordinary function, with fresh database connections around it."""

    def run() -> T:
        close_old_connections()
        try:
            return call(*args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_POOL, run)
