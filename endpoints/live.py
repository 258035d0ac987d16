"""News for open pages. The only sender to the channel layer.

News says which topic changed and carries a sequence number; the page's consumer reads
the truth from the database. Losing news costs a page some freshness, never truth: a
gap in the numbers makes the consumer send a snapshot.

Topics: `endpoint.<id>` for one endpoint's page, `owner.<id>` for a person's list,
`hardware` for the GPU meter. Messages (TypedDict `News`) arrive at consumers as type
"news".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from functools import cache
from typing import Any, Literal, TypedDict

from channels.layers import get_channel_layer
from django.db import transaction

from endpoints.valkey import async_valkey

log = logging.getLogger(__name__)

Kind = Literal["changed", "progress"]


class News(TypedDict):
    type: Literal["news"]
    topic: str
    seq: int
    kind: Kind
    # "progress": {"replica": id, …} as replicas.progress writes it; else empty.
    data: dict[str, Any]


def endpoint_topic(endpoint_id: int) -> str:
    return f"endpoint.{endpoint_id}"


def owner_topic(owner_id: int) -> str:
    return f"owner.{owner_id}"


HARDWARE_TOPIC = "hardware"


def seq_key(topic: str) -> str:
    return f"alight:seq:{topic}"


class _Publisher:
    """One event loop in a thread, so that threads can publish without waiting.

    A queue keeps the order in which news was given.
    """

    def __init__(self) -> None:
        self._client = async_valkey()
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        threading.Thread(target=self._run, name="live", daemon=True).start()
        self._ready.wait()

    def _run(self) -> None:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._queue: asyncio.Queue[tuple[str, Kind, dict[str, Any]]] = asyncio.Queue(
            maxsize=10_000
        )
        self._loop.call_soon(self._ready.set)
        self._loop.run_until_complete(self._send_all())

    async def _send_all(self) -> None:
        while True:
            topic, kind, data = await self._queue.get()
            try:
                seq = await self._client.incr(seq_key(topic))
                news: News = {
                    "type": "news",
                    "topic": topic,
                    "seq": seq,
                    "kind": kind,
                    "data": data,
                }
                await get_channel_layer().group_send(topic, news)
            except Exception:
                # Valkey is away: pages say so themselves and ask again later.
                log.warning("News for %s was not sent", topic, exc_info=True)
            finally:
                self._queue.task_done()

    def give(self, topic: str, kind: Kind, data: dict[str, Any]) -> None:
        self._loop.call_soon_threadsafe(self._put, topic, kind, data)

    def _put(self, topic: str, kind: Kind, data: dict[str, Any]) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait((topic, kind, data))


@cache
def publisher() -> _Publisher:
    """The process's own."""
    return _Publisher()


def publish(topic: str, kind: Kind, data: dict[str, Any] | None = None) -> None:
    """Tell open pages about `topic`, now. Never blocks, never raises."""
    publisher().give(topic, kind, data or {})


def changed(endpoint_id: int, owner_id: int) -> None:
    """The endpoint, or something shown on its page, changed: on commit, say so."""

    def tell() -> None:
        publish(endpoint_topic(endpoint_id), "changed")
        publish(owner_topic(owner_id), "changed")

    transaction.on_commit(tell)


def hardware_changed() -> None:
    transaction.on_commit(lambda: publish(HARDWARE_TOPIC, "changed"))
