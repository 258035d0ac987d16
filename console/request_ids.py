"""Every request gets a name: in its answer, in every line written for it, and in those
of the work it starts in the worker.

The name is always ours. One that a client sends is dropped: strangers would write into
our logs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from celery.signals import before_task_publish, task_postrun, task_prerun

from endpoints import trail

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

NAME = b"x-request-id"
# Letters of a path in a line.
_LONGEST = 300
_QUIET = frozenset({"GET", "HEAD", "OPTIONS"})


class RequestIds:
    """ASGI: around everything. Also writes a line for each act and each failure."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        request = trail.new_request()
        status = 0

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = message.get("headers", ())
                kept = [(k, v) for k, v in given if bytes(k).lower() != NAME]
                message = {**message, "headers": [*kept, (NAME, request.encode())]}
            await send(message)

        began = time.monotonic()
        with trail.about(request=request):
            try:
                await self._app(scope, receive, named)
            finally:
                if scope["type"] == "http":
                    _tell(scope, status, time.monotonic() - began)


def _tell(scope: Message, status: int, seconds: float) -> None:
    if scope["method"] in _QUIET and status < 500:
        return
    level = logging.INFO if 0 < status < 500 else logging.ERROR
    # Without its query: that may hold what is nobody's business. Quoted, since a path
    # may hold a line's end, and whoever sends it would write lines of their own.
    path = quote(scope["path"])[:_LONGEST]
    ms = round(seconds * 1000)
    log.log(level, "%s %s: %s, %s ms", scope["method"], path, status, ms)


# --- On to the worker ----------------------------------------------------------


@before_task_publish.connect
def _hand_over(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None and (request := trail.now().request):
        headers[trail.HEADER] = request


# A thread of the worker runs one task at a time.
_open: dict[str, Any] = {}


@task_prerun.connect
def _take_over(task_id: str, task: Any, **_: Any) -> None:
    request = getattr(task.request, trail.HEADER, None)
    held = trail.about(request=str(request or trail.new_request()))
    held.__enter__()
    _open[task_id] = held


@task_postrun.connect
def _let_go(task_id: str, **_: Any) -> None:
    if held := _open.pop(task_id, None):
        held.__exit__(None, None, None)
