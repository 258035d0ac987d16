"""How far a replica's current step is: volatile numbers, kept in Valkey.

Written at most five times a second by the runner; read when a page is rendered, and
sent to open pages as "progress" news. Losing it costs one bar its percent.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from typing import Any, TypedDict

import redis

from endpoints import live
from endpoints.valkey import valkey
from replicas.engine.base import FetchProgress

_KEEP_SECONDS = 3600
# Letters of build output shown: one line on a wide page.
_LINE = 90


class Progress(TypedDict, total=False):
    """What a page shows of a step under way.

    part: 0 to 1, absent while unknown. text: the sentence under the row. small: the
    monospaced line under the bar. label: what stands under the bubble. heard: the last
    answer to a health check. ports: where the container listens instead.
    """

    replica: int
    state: str
    part: float
    text: str
    small: str
    label: str
    tries: int
    heard: str
    ports: list[int]


def _key(replica_id: int) -> str:
    return f"alight:progress:{replica_id}"


def write(endpoint_id: int, progress: Progress) -> None:
    """Keep it and tell open pages. Never raises for an absent Valkey."""
    with contextlib.suppress(redis.RedisError):
        valkey().set(_key(progress["replica"]), json.dumps(progress), ex=_KEEP_SECONDS)
    data: dict[str, Any] = {**progress}
    live.publish(live.endpoint_topic(endpoint_id), "progress", data)


def clear(replica_id: int) -> None:
    with contextlib.suppress(redis.RedisError):
        valkey().delete(_key(replica_id))


def read(replica_ids: Iterable[int]) -> dict[int, Progress]:
    """By replica id; those without progress are absent."""
    ids = list(replica_ids)
    if not ids:
        return {}
    try:
        found = valkey().mget([_key(i) for i in ids])
    except redis.RedisError:
        return {}
    return {i: json.loads(raw) for i, raw in zip(ids, found, strict=True) if raw}


def size(count: float) -> str:
    """Bytes as people read them: "9.8 GB", "45 MB"."""
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    if count >= 1e6:
        return f"{count / 1e6:.0f} MB"
    return f"{max(1, round(count / 1e3))} kB"


def duration(seconds: float) -> str:
    """ "14 s", "1 min 42 s", "6 h 28 min", "3 days"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


def of_fetch(replica_id: int, fetch: FetchProgress) -> Progress:
    """A pull or build in the guide's words (GUIDE §5)."""
    seen: Progress = {"replica": replica_id, "state": "pulling"}
    if fetch.verb == "build":
        if fetch.total:
            seen["part"] = min(1.0, max(0, fetch.done - 1) / fetch.total)
            seen["text"] = f"Step {fetch.done} of {fetch.total}: {fetch.step}"
        else:
            seen["text"] = "Sending the build context."
        seen["small"] = fetch.line[:_LINE]
        seen["label"] = (
            f"Building {fetch.done}/{fetch.total}" if fetch.total else "Building"
        )
        return seen
    if not fetch.total:
        seen["text"] = "Asking the registry."
        seen["label"] = "Pulling"
        return seen
    part = min(1.0, fetch.done / fetch.total)
    percent = int(part * 100)
    text = f"{percent}%, {size(fetch.done)} of {size(fetch.total)}"
    if fetch.unpacking:
        text += ", unpacking"
    elif fetch.speed > 0:
        text += f", about {duration((fetch.total - fetch.done) / fetch.speed)} left"
    seen["part"] = round(part, 4)
    seen["text"] = text
    seen["small"] = f"layer {fetch.layer} of {fetch.layers}   {size(fetch.speed)}/s"
    seen["label"] = f"Pulling {percent}%"
    return seen
