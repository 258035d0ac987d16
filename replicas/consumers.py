"""One socket per page: check who asks, send a snapshot, then news.

The page says which numbers it was drawn at ({"have": {topic: seq}}); when they are
still the newest nothing is sent, else every fragment is. After that a change sends the
fragments whose HTML became different, at most five times a second, and progress goes
straight through. docs/live.md has every message.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import re
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone

from endpoints import live
from endpoints.live import News
from endpoints.models import Endpoint
from replicas import fragments
from replicas.logs.reader import LogReader
from replicas.news import current
from replicas.page.spans import range_of
from replicas.page.sparks import Traffic

log = logging.getLogger(__name__)

PING_SECONDS = 15
# Between two drawings for one page; the last change is always drawn.
PACE_SECONDS = 0.2
# What the charts are made of is kept in spans of this length.
CHARTS_SECONDS = 10

SIGNED_OUT, NOT_YOURS, NOT_THERE = 4401, 4403, 4404

# Texts that count by themselves in the browser: another second is no news.
_COUNTING = re.compile(r"(<span data-(?:for|ago|until)=[^>]*>|<time[^>]*>)[^<]*")


class Refused(Exception):
    """The socket may not stay; `code` says why (docs/live.md)."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """What both pages share. Subclasses say what is drawn and from which topics.

    resumes: whether a page that missed nothing needs no first picture.
    """

    resumes = True

    async def connect(self) -> None:
        # Accepted first: a browser sees no close code of a socket that never opened.
        await self.accept()
        self.seqs: dict[str, int] = {}
        self.dirty = asyncio.Event()
        self.sent: dict[str, str] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        try:
            await self.check_session()
            self.page_topic = await self.enter()
        except Refused as refused:
            await self.close(refused.code)

    async def enter(self) -> str:
        """Find what the page is about; the topic that stands for it. May refuse."""
        raise NotImplementedError

    async def picture(self) -> dict[str, str]:
        """The page's fragments as they are now. Refuses when it is gone."""
        raise NotImplementedError

    def topics(self) -> set[str]:
        """What to listen to; may differ after each picture."""
        raise NotImplementedError

    @property
    def user(self) -> AbstractBaseUser:
        user: AbstractBaseUser = self.scope["user"]
        return user

    async def check_session(self) -> None:
        """Refuse who signed out, may not sign in any longer, or has a new password."""
        session = self.scope.get("session")
        if session is not None and session.session_key:
            exists = database_sync_to_async(session.exists)
            if not await exists(session.session_key):
                raise Refused(SIGNED_OUT)
            # Read again: what this person may see can have changed as well.
            self.scope["user"] = await get_user(self.scope)
        if not getattr(self.scope.get("user"), "is_authenticated", False):
            raise Refused(SIGNED_OUT)

    # --- What the page says ----------------------------------------------------
    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        """None for what is not JSON: pages do not send that, nobody else is heard."""
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(text_data)
        return None

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        if not isinstance(content, dict) or not hasattr(self, "page_topic"):
            return
        if "have" in content and not self.tasks:
            await self.begin(content["have"])

    async def begin(self, have: Any) -> None:
        """Listen first, then compare: what happens in between is seen twice."""
        await self.listen()
        now = await asyncio.to_thread(current, sorted(self.topics()))
        self.seqs.update(now)
        known = have if isinstance(have, dict) else {}
        same = now and all(known.get(topic) == seq for topic, seq in now.items())
        if same and self.resumes:
            await self.send_news("current")
        else:
            self.dirty.set()
        self.start(self.draw_when_dirty())
        self.start(self.ping())

    async def listen(self) -> None:
        """Join the groups of the topics and leave those that went away."""
        wanted = self.topics()
        try:
            for topic in wanted - self.groups_joined:
                await self.channel_layer.group_add(topic, self.channel_name)
                self.groups_joined.add(topic)
            for topic in self.groups_joined - wanted:
                await self.channel_layer.group_discard(topic, self.channel_name)
                self.groups_joined.discard(topic)
        except Exception:
            # Valkey is away. The ping tries again and draws meanwhile.
            log.warning("A page could not listen for news", exc_info=True)

    @property
    def groups_joined(self) -> set[str]:
        joined: set[str] = self.__dict__.setdefault("_joined", set())
        return joined

    def start(self, work: Any) -> None:
        task = asyncio.create_task(self.guarded(work))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def guarded(self, work: Any) -> None:
        """Ends the socket when its work cannot go on; the page then comes again."""
        try:
            await work
        except Refused as refused:
            if refused.code == NOT_THERE:
                await self.send_json({"kind": "gone"})
            await self.close(refused.code)
        except OSError:
            pass  # the browser went away while we were sending
        except Exception:
            log.exception("A page's socket broke")
            await self.close(1011)

    # --- What the page is told ---------------------------------------------------
    async def news(self, message: News) -> None:
        """From the channel layer. A hole in the numbers means that some was lost."""
        topic, seq = message["topic"], message["seq"]
        expected = self.seqs.get(topic, seq - 1) + 1
        self.seqs[topic] = max(seq, self.seqs.get(topic, 0))
        if message["kind"] == "progress" and seq <= expected:
            await self.send_news("progress", topic=topic, data=message["data"])
        else:
            self.dirty.set()

    async def send_news(self, kind: str, *, topic: str = "", **rest: Any) -> None:
        topic = topic or self.page_topic
        seen = {t: n for t, n in self.seqs.items() if t != topic}
        await self.send_json(
            {
                "topic": topic,
                "seq": self.seqs.get(topic, 0),
                "kind": kind,
                **({"seen": seen} if seen else {}),
                **rest,
            }
        )

    async def draw_when_dirty(self) -> None:
        while True:
            await self.dirty.wait()
            self.dirty.clear()
            # Before the rows are read: the picture is at least as new as these.
            seqs = dict(self.seqs)
            html = await self.picture()
            changed = self.changed(html)
            if changed:
                await self.send_json(
                    {
                        "topic": self.page_topic,
                        "seq": seqs.get(self.page_topic, 0),
                        "seen": seqs,
                        "kind": "state",
                        "html": changed,
                    }
                )
            await self.listen()
            await asyncio.sleep(PACE_SECONDS)

    def changed(self, html: dict[str, str]) -> dict[str, str]:
        """Fragments that differ from what this page was sent last."""
        still = {name: _COUNTING.sub(r"\1", text) for name, text in html.items()}
        found = {n: t for n, t in html.items() if self.sent.get(n) != still[n]}
        self.sent = still
        return found

    async def ping(self) -> None:
        """Keep the line alive, and mend what lost news left out."""
        while True:
            await self.send_json({"kind": "ping", "now": round(time.time() * 1000)})
            await asyncio.sleep(PING_SECONDS)
            await self.check_session()
            await self.listen()
            now = await asyncio.to_thread(current, sorted(self.topics()))
            # Without Valkey there is no news at all: look for ourselves.
            if not now or any(self.seqs.get(t, 0) != seq for t, seq in now.items()):
                self.seqs.update(now)
                self.dirty.set()

    async def websocket_disconnect(self, message: Any) -> None:
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for topic in list(self.groups_joined):
            with contextlib.suppress(Exception):
                await self.channel_layer.group_discard(topic, self.channel_name)
        raise StopConsumer


class EndpointConsumer(LiveConsumer):
    """An endpoint's homepage, its open dialog and its log drawer."""

    endpoint_id: int
    open_replica: int | None = None
    charts_range: str | None = None
    charts_sent = ""
    logs_task: asyncio.Task[None] | None = None

    async def enter(self) -> str:
        self.endpoint_id = await self._find(self.scope["url_route"]["kwargs"]["name"])
        return live.endpoint_topic(self.endpoint_id)

    @database_sync_to_async
    def _find(self, name: str) -> int:
        found = Endpoint.objects.filter(name=name).values_list("pk", flat=True).first()
        if found is None:
            raise Refused(NOT_THERE)
        if not Endpoint.objects.visible_to(self.user).filter(pk=found).exists():
            raise Refused(NOT_YOURS)
        return int(found)

    def topics(self) -> set[str]:
        return {self.page_topic, live.HARDWARE_TOPIC}

    @database_sync_to_async
    def picture(self) -> dict[str, str]:
        rows = Endpoint.objects.visible_to(self.user).select_related("tier", "template")
        endpoint = rows.filter(pk=self.endpoint_id).first()
        if endpoint is None:
            raise Refused(NOT_THERE)
        context = fragments.endpoint_context(endpoint, replica_id=self.open_replica)
        context |= fragments.hardware_context(self.user.pk)
        wanted = fragments.ENDPOINT_FRAGMENTS | fragments.HARDWARE_FRAGMENTS
        if context.get("dialog"):
            wanted = wanted | fragments.DIALOG_FRAGMENTS
        return fragments.draw(wanted, context)

    async def begin(self, have: Any) -> None:
        await super().begin(have)
        self.start(self.draw_charts())

    async def draw_charts(self) -> None:
        """They move along with the time, also when nothing else changes.

        Those of a longer range cost more and move less.
        """
        for turn in itertools.count(1):
            await asyncio.sleep(CHARTS_SECONDS)
            if turn % range_of(self.charts_range).turns:
                continue
            html = await self.charts()
            if html != self.charts_sent:
                self.charts_sent = html
                await self.send_news("state", html={fragments.CHARTS: html})

    @database_sync_to_async
    def charts(self) -> str:
        rows = Endpoint.objects.visible_to(self.user)
        endpoint = rows.filter(pk=self.endpoint_id).first()
        if endpoint is None:
            raise Refused(NOT_THERE)
        context = fragments.charts_context(endpoint, self.charts_range)
        return fragments.draw(fragments.CHARTS_FRAGMENT, context)[fragments.CHARTS]

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await super().receive_json(content, **kwargs)
        if not isinstance(content, dict) or not self.tasks:
            return
        if "charts" in content:
            self.charts_range, self.charts_sent = content["charts"], ""
        if "open" in content:
            opened = content["open"]
            self.open_replica = opened if isinstance(opened, int) else None
            self.sent.pop(fragments.DIALOG, None)
            self.dirty.set()
        if "logs" in content:
            await self.follow_logs(content["logs"])

    async def follow_logs(self, asked: Any) -> None:
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
        self.logs_task = asyncio.create_task(self.guarded(self.send_logs(known)))
        self.tasks.add(self.logs_task)
        self.logs_task.add_done_callback(self.tasks.discard)

    async def send_logs(self, cursors: dict[str, int]) -> None:
        reader = LogReader(self.endpoint_id)
        try:
            await self.send_json({**await reader.backlog(cursors), "kind": "backlog"})
            async for message in reader.follow():
                await self.send_json(dict(message))
        finally:
            await reader.close()


class ListConsumer(LiveConsumer):
    """The endpoints list, with the progress of those that are on their way."""

    # The first picture says which endpoints to listen to.
    resumes = False
    sources: frozenset[str] = frozenset()
    traffic: Mapping[int, Traffic] = MappingProxyType({})

    async def enter(self) -> str:
        return live.owner_topic(self.user.pk)

    def topics(self) -> set[str]:
        return {self.page_topic, live.HARDWARE_TOPIC, *self.sources}

    @database_sync_to_async
    def picture(self) -> dict[str, str]:
        endpoints = fragments.listed(self.user)
        context = fragments.list_context(endpoints)
        # A superuser sees other people's endpoints too.
        owners = {live.owner_topic(e.owner_id) for e in endpoints}
        coming = {live.endpoint_topic(pk) for pk in context["coming"]}
        self.sources = frozenset(owners | coming)
        self.traffic = context["traffic"]
        context |= fragments.hardware_context(self.user.pk)
        return fragments.draw(
            fragments.LIST_FRAGMENTS | fragments.HARDWARE_FRAGMENTS, context
        )

    async def begin(self, have: Any) -> None:
        await super().begin(have)
        self.start(self.watch_traffic())

    async def watch_traffic(self) -> None:
        """Traffic is no news of anything: look whether the rows would tell it anew."""
        while True:
            await asyncio.sleep(CHARTS_SECONDS)
            shown = self.traffic
            if shown != await self.traffic_now(list(shown)):
                self.dirty.set()

    @database_sync_to_async
    def traffic_now(self, endpoint_ids: list[int]) -> Mapping[int, Traffic]:
        return fragments.traffic_of(endpoint_ids, timezone.now())
