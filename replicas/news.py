"""Where the news stands: the newest sequence number of a topic.

A page carries the numbers it was drawn at; the socket compares them with now.
"""

from __future__ import annotations

from collections.abc import Iterable

import redis

from endpoints.live import seq_key
from endpoints.valkey import valkey


def current(topics: Iterable[str]) -> dict[str, int]:
    """By topic; 0 for one without news yet. Empty while Valkey is away."""
    names = list(topics)
    try:
        found = valkey().mget([seq_key(topic) for topic in names])
    except redis.RedisError:
        return {}
    return {t: int(raw or 0) for t, raw in zip(names, found, strict=True)}
