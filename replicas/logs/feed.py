"""The newest records of an endpoint in a Valkey stream, for pages that are open.

One stream per endpoint, so that a reader waits on one key and new attempts appear by
themselves. An entry is a batch of records of one attempt (`k`, `d`), or the line it is
writing right now (`k`, `p`: source, a space, text; no text when it is over). The stream
may lose or lack anything: records are numbered, and a reader takes what is missing from
the files.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import redis

from endpoints.valkey import valkey
from replicas.logs.records import Attempt

# A batch is cut into entries of about this many letters.
_ENTRY = 96 * 1024
# Entries kept: seconds of a flood, much longer otherwise. At most about 25 MB.
_ENTRIES = 256
_KEEP_SECONDS = 3600
_WATCH_SECONDS = 15


class Pipeline(Protocol):
    """What redis' pipelines have in common, with and without asyncio."""

    def xadd(
        self, name: str, fields: Any, *, maxlen: int, approximate: bool
    ) -> Any: ...
    def expire(self, name: str, time: int) -> Any: ...


def key(endpoint_id: int) -> str:
    return f"alight:log:{endpoint_id}"


def endpoint_of(key: str) -> int:
    """Whose stream that is."""
    return int(key.rpartition(":")[2])


def watch_key(endpoint_id: int) -> str:
    """Exists while a page shows this endpoint's log."""
    return f"alight:log:{endpoint_id}:watched"


def add(pipe: Pipeline, attempt: Attempt, block: str) -> None:
    """Queue the commands that publish `block`."""
    name = key(attempt.endpoint_id)
    for part in _parts(block):
        fields = {"k": attempt.key, "d": part}
        pipe.xadd(name, fields, maxlen=_ENTRIES, approximate=True)
    pipe.expire(name, _KEEP_SECONDS)


def add_partial(pipe: Pipeline, attempt: Attempt, src: str, text: str) -> None:
    name = key(attempt.endpoint_id)
    fields = {"k": attempt.key, "p": f"{src} {text}"}
    pipe.xadd(name, fields, maxlen=_ENTRIES, approximate=True)


def publish(attempt: Attempt, block: str) -> None:
    """Now, from ordinary code. Never raises: readers find it in the file."""
    with contextlib.suppress(redis.RedisError):
        pipe = valkey().pipeline(transaction=False)
        add(pipe, attempt, block)
        pipe.execute()


def forget(endpoint_id: int) -> None:
    with contextlib.suppress(redis.RedisError):
        valkey().delete(key(endpoint_id))


async def watch(client: Any, endpoint_id: int) -> None:
    """Say that somebody looks; to be said again within some seconds."""
    await client.set(watch_key(endpoint_id), "1", ex=_WATCH_SECONDS)


async def watched(client: Any, endpoint_ids: Iterable[int]) -> set[int]:
    ids = list(endpoint_ids)
    if not ids:
        return set()
    found = await client.mget([watch_key(i) for i in ids])
    return {i for i, value in zip(ids, found, strict=True) if value}


def _parts(block: str) -> Iterator[str]:
    start = 0
    while len(block) - start > _ENTRY:
        end = block.find("\n", start + _ENTRY) + 1
        if not end:
            break
        yield block[start:end]
        start = end
    if start < len(block):
        yield block[start:]
