"""Questions to database and files from an event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections

Result = TypeVar("Result")


async def in_thread(ask: Callable[[], Result]) -> Result:
    """Its answer, asked in a thread whose database connections are fresh."""

    def run() -> Result:
        close_old_connections()
        try:
            return ask()
        finally:
            close_old_connections()

    return await sync_to_async(run, thread_sensitive=False)()
