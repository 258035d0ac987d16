"""Rings at the runner: something may want following, pulling or probing. Look."""

import contextlib

import redis
from django.db import transaction

from endpoints.valkey import valkey

CHANNEL = "alight:runner"


def ring() -> None:
    """On commit. A ring that gets lost costs the runner's own interval."""

    def publish() -> None:
        with contextlib.suppress(redis.RedisError):
            valkey().publish(CHANNEL, "look")

    transaction.on_commit(publish)
