"""Endless answers: one JSON object a line, for as long as the caller listens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, TypeVar

from django.http import StreamingHttpResponse
from rest_framework.renderers import JSONRenderer

Item = TypeVar("Item")


class NdjsonRenderer(JSONRenderer):
    """What a caller may ask for; errors before the first line are one JSON line."""

    media_type = "application/x-ndjson"
    format = "ndjson"


def ndjson(items: AsyncGenerator[dict[str, Any] | None, None]) -> StreamingHttpResponse:
    """A line for each item; None is an empty line, which keeps the connection."""

    async def lines() -> AsyncIterator[bytes]:
        # Closed with us, so that a caller who left is not listened for any longer.
        async with aclosing(items):
            async for item in items:
                line = "" if item is None else json.dumps(item, separators=(",", ":"))
                yield f"{line}\n".encode()

    return StreamingHttpResponse(
        lines(),
        content_type=NdjsonRenderer.media_type,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def beating(
    items: AsyncGenerator[Item, None], seconds: float
) -> AsyncGenerator[Item | None, None]:
    """The items, and None each so many seconds, however busy or quiet it is."""
    clock = asyncio.get_running_loop().time
    beat = clock() + seconds
    pending: asyncio.Future[Item] | None = None
    try:
        while True:
            if pending is None:
                pending = asyncio.ensure_future(anext(items))
            await asyncio.wait({pending}, timeout=max(0, beat - clock()))
            if clock() >= beat:
                beat = clock() + seconds
                yield None
            if pending.done():
                try:
                    item, pending = pending.result(), None
                except StopAsyncIteration:
                    return
                yield item
    finally:
        if pending is not None:
            # It has to end before the generator it comes from can be closed.
            pending.cancel()
            await asyncio.wait({pending})
