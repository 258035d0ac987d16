"""An endpoint's events as they happen, for callers who keep listening.

News says only that something changed; what changed is read from the database. When
news cannot be had (Valkey is away), the database is asked each few seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from typing import Any

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from endpoints import live
from endpoints.models import AccessKey, Endpoint
from endpoints.serializers.events import EVENTS_MAX, events_after, shown_event

log = logging.getLogger(__name__)

# How often a quiet stream writes an empty line, and asks whether it may go on.
BEAT_SECONDS = 15.0
# How often the database is asked while there is no news to be had.
POLL_SECONDS = 2.0


def may_listen(
    endpoint_id: int, user: AbstractBaseUser | AnonymousUser, key: AccessKey | None
) -> bool:
    """Whether the endpoint is still there and theirs, and they may still ask."""
    usable = AccessKey.objects.usable()
    if key is not None and not usable.filter(pk=key.pk).exists():
        return False
    # Read again: a stream may be older than what this person may do.
    people = get_user_model().objects.filter(is_active=True)
    person = people.filter(pk=user.pk or 0).first()
    if person is None:
        return False
    return Endpoint.objects.visible_to(person).filter(pk=endpoint_id).exists()


class News:
    """Waits for news about one endpoint. Use as an async context manager."""

    def __init__(self, endpoint_id: int) -> None:
        self._topic = live.endpoint_topic(endpoint_id)
        self._layer: Any = get_channel_layer()
        self._channel = ""
        # The receiving that goes on; never cancelled while we listen, because the
        # layer takes that as the end of the channel.
        self._next: asyncio.Task[dict[str, Any]] | None = None

    async def __aenter__(self) -> News:
        await self._join()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._next is not None:
            self._next.cancel()
        if self._channel:
            with contextlib.suppress(Exception):
                await self._layer.group_discard(self._topic, self._channel)

    async def _join(self) -> None:
        try:
            channel = await self._layer.new_channel()
            await self._layer.group_add(self._topic, channel)
        except Exception:
            log.warning("No news for a stream of events", exc_info=True)
        else:
            self._channel = channel

    async def changed(self) -> bool:
        """True when something changed, False after a quiet while."""
        if not self._channel:
            await asyncio.sleep(POLL_SECONDS)
            await self._join()
            return True
        clock = asyncio.get_running_loop().time
        deadline = clock() + BEAT_SECONDS
        while (left := deadline - clock()) > 0:
            if self._next is None:
                self._next = asyncio.create_task(self._layer.receive(self._channel))
            done, _ = await asyncio.wait({self._next}, timeout=left)
            if done:
                news, self._next = self._next.result(), None
                if news["kind"] == "changed":
                    return True
        return False


class EventFeed:
    """One caller's stream: what was, or what came after an event, then what comes."""

    def __init__(
        self,
        endpoint: Endpoint,
        user: AbstractBaseUser | AnonymousUser,
        key: AccessKey | None,
        *,
        after: int | None = None,
        replica_id: int | None = None,
    ) -> None:
        self._endpoint, self._user, self._key = endpoint, user, key
        self._after, self._replica_id = after, replica_id

    async def items(self) -> AsyncGenerator[dict[str, Any] | None, None]:
        """Events as the API shows them; None when it has been quiet for a while."""
        # Joined before the first look, so that nothing falls between the two.
        async with News(self._endpoint.pk) as news:
            while True:
                events = await self._look()
                if events is None:
                    return
                for event in events:
                    yield event
                if len(events) < EVENTS_MAX and not await news.changed():
                    yield None

    @database_sync_to_async
    def _look(self) -> list[dict[str, Any]] | None:
        """What is new; None when this caller may not listen any longer."""
        if not may_listen(self._endpoint.pk, self._user, self._key):
            return None
        events = events_after(
            self._endpoint, after=self._after, replica_id=self._replica_id
        )
        self._after = events[-1].pk if events else self._after or 0
        return [shown_event(event) for event in events]
