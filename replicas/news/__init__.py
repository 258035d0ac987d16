"""Where the news stands: the newest sequence number of a topic.

A page carries the numbers it was drawn at; the socket compares them with now.
"""

from __future__ import annotations

from collections.abc import Iterable

import redis

from endpoints.live import seq_key
from endpoints.valkey import valkey

# Stands among the topics for the run of Valkey that counted them. Numbers of two runs
# say nothing of each other: it may have come back with older ones, or with none.
RUN = "run"


def current(topics: Iterable[str]) -> dict[str, int]:
    """By topic, 0 for one without news yet, and RUN. Empty while Valkey is away."""
    names = list(topics)
    try:
        pipe = valkey().pipeline(transaction=False)
        pipe.info("server")
        pipe.mget([seq_key(topic) for topic in names])
        about, found = pipe.execute()
    except redis.RedisError:
        return {}
    seqs = {t: int(raw or 0) for t, raw in zip(names, found, strict=True)}
    # As many digits as a browser's numbers hold.
    return {**seqs, RUN: int(about["run_id"][:12], 16)}
