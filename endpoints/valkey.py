"""Connections to Valkey: broker of news, progress and log tails; never of truth."""

from functools import cache

import redis
import redis.asyncio
from django.conf import settings


@cache
def valkey() -> redis.Redis:
    """The process's client for ordinary code; safe to share between threads."""
    return redis.Redis.from_url(
        settings.ALIGHT_VALKEY_URL,
        decode_responses=True,
        socket_timeout=5,
        socket_connect_timeout=2,
    )


def async_valkey() -> redis.asyncio.Redis:
    """A new client for the caller's event loop, which closes it."""
    return redis.asyncio.Redis.from_url(
        settings.ALIGHT_VALKEY_URL, decode_responses=True
    )
