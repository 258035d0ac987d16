"""The socket of the endpoints list."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone

from endpoints import live
from replicas import fragments
from replicas.consumers import live as base
from replicas.consumers.live import LiveConsumer, Source, in_thread
from replicas.news.hub import hub
from replicas.news.pictures import Picture, sharing
from replicas.page.sparks import Traffic


@dataclass(frozen=True)
class Listed:
    """What a picture of the list was drawn from. topics: that change it."""

    topics: frozenset[str] = frozenset()
    traffic: Mapping[int, Traffic] = field(default_factory=dict)


class ListConsumer(LiveConsumer):
    """The endpoints list, with the progress of those that are on their way."""

    # The first picture says which endpoints to listen to.
    resumes = False
    listed = Listed()

    async def enter(self) -> str:
        return live.owner_topic(self.user.pk)

    def source(self) -> Source:
        return Source(
            key=("list", self.user.pk, getattr(self.user, "is_superuser", False)),
            topic=self.page_topic,
            topics=self.listed.topics | {self.page_topic},
            draw=partial(_list, self.user),
        )

    async def drawn(self, picture: Picture) -> None:
        self.listed = picture.about
        await hub().listen(self, self.topics())

    async def begin(self, have: object) -> None:
        await super().begin(have)
        self.start(self.watch_traffic())

    async def watch_traffic(self) -> None:
        """Traffic is no news of anything: look whether the rows would tell it anew."""
        while True:
            await asyncio.sleep(base.CHARTS_SECONDS)
            shown = self.listed.traffic
            now = partial(fragments.traffic_of, list(shown), timezone.now())
            key = "traffic", frozenset(shown)
            if shown != await sharing().share(key, partial(in_thread, now)):
                self.parts["page"].dirty.set()


def _list(user: AbstractBaseUser) -> tuple[dict[str, str], Listed]:
    endpoints = fragments.listed(user)
    context = fragments.list_context(endpoints)
    # A superuser sees other people's endpoints too.
    owners = {live.owner_topic(e.owner_id) for e in endpoints}
    coming = {live.endpoint_topic(pk) for pk in context["coming"]}
    about = Listed(frozenset(owners | coming), context["traffic"])
    return fragments.draw(fragments.LIST_FRAGMENTS, context), about
