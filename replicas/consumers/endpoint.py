"""The socket of an endpoint's homepage."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from channels.db import database_sync_to_async
from django.contrib.auth.models import AbstractBaseUser

from endpoints import live
from endpoints.models import Endpoint
from replicas import fragments
from replicas.consumers import live as base
from replicas.consumers.live import (
    NOT_THERE,
    NOT_YOURS,
    LiveConsumer,
    Refused,
    Source,
    shared,
)
from replicas.logs.reader import LogReader
from replicas.news.pictures import sharing
from replicas.page.spans import range_of

# Spreads the turns of endpoints that stand beside each other over the whole time.
_GOLDEN = 0.618


class EndpointConsumer(LiveConsumer):
    """An endpoint's homepage, its open dialog and its log drawer."""

    endpoint_id: int
    open_replica: int | None = None
    charts_range: str | None = None
    logs_task: asyncio.Task[None] | None = None

    async def enter(self) -> str:
        name = self.scope["url_route"]["kwargs"]["name"]
        find = partial(self._find, name)
        key = "find", self.user.pk, name
        self.endpoint_id = await sharing().share(key, find)
        return live.endpoint_topic(self.endpoint_id)

    @database_sync_to_async
    def _find(self, name: str) -> int:
        found = Endpoint.objects.filter(name=name).values_list("pk", flat=True).first()
        if found is None:
            raise Refused(NOT_THERE)
        if not Endpoint.objects.visible_to(self.user).filter(pk=found).exists():
            raise Refused(NOT_YOURS)
        return int(found)

    def source(self) -> Source:
        return Source(
            key=("endpoint", self.user.pk, self.endpoint_id, self.open_replica),
            topic=self.page_topic,
            topics=frozenset({self.page_topic}),
            draw=partial(_endpoint, self.user, self.endpoint_id, self.open_replica),
        )

    async def begin(self, have: Any) -> None:
        await super().begin(have)
        self.start(self.keep_charts_moving())

    async def keep_charts_moving(self) -> None:
        """They move along with the time, also when nothing else changes.

        Those of a longer range cost more and move less. All pages of an endpoint turn
        at the same time, so that they are drawn once.
        """
        clock = asyncio.get_running_loop().time
        while True:
            seconds = base.CHARTS_SECONDS
            turn, gone = divmod(clock() / seconds + self.endpoint_id * _GOLDEN, 1)
            await asyncio.sleep((1 - gone) * seconds)
            wanted = range_of(self.charts_range)
            if (turn + 1) % wanted.turns == 0:
                picture = await shared(self._charts(wanted.key))
                # The page may have gone on to another range meanwhile.
                if wanted == range_of(self.charts_range):
                    await self.show(picture)

    def _charts(self, wanted: str) -> Source:
        return Source(
            key=("charts", self.user.pk, self.endpoint_id, wanted),
            topic=self.page_topic,
            # They are no news: a page that has them has not had what else changed.
            topics=frozenset(),
            draw=partial(_charts, self.user, self.endpoint_id, wanted),
        )

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await super().receive_json(content, **kwargs)
        if not isinstance(content, dict) or not self.tasks:
            return
        if "charts" in content:
            self.charts_range = content["charts"]
            self.sent.pop(fragments.CHARTS, None)
        if "open" in content:
            opened = content["open"]
            self.open_replica = opened if isinstance(opened, int) else None
            self.sent.pop(fragments.DIALOG, None)
            self.parts["page"].dirty.set()
        if "logs" in content:
            self.follow_logs(content["logs"])

    def follow_logs(self, asked: Any) -> None:
        """Start from the page's cursors, or stop when `asked` is null."""
        if self.logs_task is not None:
            self.logs_task.cancel()
            self.logs_task = None
        if not isinstance(asked, dict):
            return
        cursors = asked.get("cursors")
        known = {
            str(key): number
            for key, number in (cursors if isinstance(cursors, dict) else {}).items()
            if isinstance(number, int)
        }
        self.logs_task = self.start(self.send_logs(known))

    async def send_logs(self, cursors: dict[str, int]) -> None:
        reader = LogReader(self.endpoint_id)
        try:
            await self.send_json({**await reader.backlog(cursors), "kind": "backlog"})
            async for message in reader.follow():
                await self.send_json(dict(message))
        finally:
            await reader.close()


def _endpoint(
    user: AbstractBaseUser, endpoint_id: int, replica_id: int | None
) -> tuple[dict[str, str], None]:
    """The homepage's fragments. Refuses when the endpoint is not theirs any longer."""
    rows = Endpoint.objects.visible_to(user).select_related("tier", "template")
    endpoint = rows.filter(pk=endpoint_id).first()
    if endpoint is None:
        raise Refused(NOT_THERE)
    context = fragments.endpoint_context(endpoint, replica_id=replica_id)
    wanted = fragments.ENDPOINT_FRAGMENTS
    if context.get("dialog"):
        wanted = wanted | fragments.DIALOG_FRAGMENTS
    return fragments.draw(wanted, context), None


def _charts(
    user: AbstractBaseUser, endpoint_id: int, wanted: str
) -> tuple[dict[str, str], None]:
    endpoint = Endpoint.objects.visible_to(user).filter(pk=endpoint_id).first()
    if endpoint is None:
        raise Refused(NOT_THERE)
    context = fragments.charts_context(endpoint, wanted)
    return fragments.draw(fragments.CHARTS_FRAGMENT, context), None
