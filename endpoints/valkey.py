"""Connections to Valkey: broker of news, progress and log tails; never of truth."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import redis
import redis.asyncio
from django.conf import settings

# Seconds. Nobody waits for longer on a Valkey that is stuck.
_SILENCE, _CONNECT = 5.0, 2.0


@cache
def valkey() -> redis.Redis:
    """The process's client for ordinary code; safe to share between threads."""
    return redis.Redis.from_url(
        settings.ALIGHT_VALKEY_URL,
        decode_responses=True,
        socket_timeout=_SILENCE,
        socket_connect_timeout=_CONNECT,
    )


@contextmanager
def asking_valkey(patience: float) -> Iterator[redis.Redis]:
    """A client for a question whether it is there, which waits so many seconds and
    shares nothing with the process's own."""
    client = redis.Redis.from_url(
        settings.ALIGHT_VALKEY_URL,
        socket_timeout=patience,
        socket_connect_timeout=patience,
    )
    try:
        yield client
    finally:
        client.close()


def async_valkey(*, silence: float | None = _SILENCE) -> redis.asyncio.Redis:
    """A new client for the caller's event loop, which closes it.

    silence: seconds without an answer after which Valkey counts as away; None for who
    listens to what may be said some day.
    """
    return redis.asyncio.Redis.from_url(
        settings.ALIGHT_VALKEY_URL,
        decode_responses=True,
        socket_timeout=silence,
        socket_connect_timeout=_CONNECT,
    )
