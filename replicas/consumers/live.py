"""One socket per page: check who asks, send a snapshot, then news.

The page says which numbers it was drawn at ({"have": {topic: seq}}); when they are
still the newest nothing is sent, else every fragment is. After that a change sends the
fragments whose HTML became different, at most five times a second, and progress goes
straight through. docs/live.md has every message.

What waits for a page that reads slowly is bounded: which of its parts to draw, and the
newest progress of each replica.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Collection, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from channels.auth import get_user
from channels.db import DatabaseSyncToAsync, database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from endpoints import live
from replicas import fragments
from replicas.news import RUN
from replicas.news.hub import Heard, hub
from replicas.news.pictures import Picture, sharing

log = logging.getLogger(__name__)

PING_SECONDS = 15
# What the charts are made of is kept in spans of this length.
CHARTS_SECONDS = 10
SIGNED_OUT, NOT_YOURS, NOT_THERE = 4401, 4403, 4404

# One thread each: more would only wait for each other and keep the loop from its own.
# Small pictures do not stand in line behind those of a thousand endpoints.
_LARGE, _SMALL = (ThreadPoolExecutor(1, thread_name_prefix=n) for n in ("draw", "look"))

Result = TypeVar("Result")


class Refused(Exception):
    """The socket may not stay; `code` says why (docs/live.md)."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Source:
    """A part of a page that is drawn at once.

    key: the same for all pages of a person that show the same. topic: stands for it in
    messages. draw: HTML by element id, and what else was found out; may refuse.
    """

    key: Hashable
    topic: str
    topics: frozenset[str]
    draw: Callable[[], tuple[dict[str, str], Any]]
    small: bool = False


@dataclass
class Part:
    """One part of a page. run: of Valkey, whose numbers it was last drawn at."""

    dirty: asyncio.Event = field(default_factory=asyncio.Event)
    drawing: bool = False
    run: int | None = None

    @property
    def behind(self) -> bool:
        """Whether a change was heard of that the page has not been sent."""
        return self.drawing or self.dirty.is_set()


async def in_thread(ask: Callable[[], Result], *, small: bool = True) -> Result:
    """Its answer, asked in a thread of ours. Raises what it raises."""

    def run() -> Result:
        try:
            return ask()
        except StopIteration as error:
            # No future takes this one: whoever waits would wait for ever.
            raise RuntimeError("a drawing ran out of something") from error

    pool = _SMALL if small else _LARGE
    there = DatabaseSyncToAsync(run, thread_sensitive=False, executor=pool)
    result: Result = await there()
    return result


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """What both pages share. Subclasses say what is drawn and from which topics.

    resumes: whether a page that missed nothing needs no first picture.
    """

    resumes = True
    # News comes by the process's hub, which listens once for all pages.
    channel_layer_alias = ""

    async def connect(self) -> None:
        # Accepted first: a browser sees no close code of a socket that never opened.
        await self.accept()
        self.parts = {"hardware": Part(), "page": Part()}
        self.progress: dict[int, Heard] = {}
        self.progressed = asyncio.Event()
        self.sent: dict[str, str] = {}
        self.said_gone = False
        self.tasks: set[asyncio.Task[None]] = set()
        try:
            # Who it is was just read from the database.
            self.heed_user()
            self.page_topic = await self.enter()
        except Refused as refused:
            await self.close(refused.code)

    async def enter(self) -> str:
        """Find what the page is about; the topic that stands for it. May refuse."""
        raise NotImplementedError

    def source(self) -> Source:
        """The page without what is said of the hardware."""
        raise NotImplementedError

    async def drawn(self, picture: Picture) -> None:
        """The page's own part was drawn anew."""

    @property
    def user(self) -> AbstractBaseUser:
        user: AbstractBaseUser = self.scope["user"]
        return user

    def heed_user(self) -> None:
        if not getattr(self.scope.get("user"), "is_authenticated", False):
            raise Refused(SIGNED_OUT)

    async def check_session(self) -> None:
        """Refuse who signed out, may not sign in any longer, or has a new password."""
        session = self.scope.get("session")
        if session is not None and session.session_key:
            # Read again: what this person may see can have changed as well.
            self.scope["user"] = await _user_of(self.scope)
        self.heed_user()

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
        topics = self.topics()
        await hub().listen(self, topics)
        now = await sharing().share(topics, lambda: hub().numbers(topics))
        known = have if isinstance(have, dict) else {}
        same = now and all(known.get(topic) == seq for topic, seq in now.items())
        if same and self.resumes:
            await self.send_json(
                {
                    "kind": "current",
                    "topic": self.page_topic,
                    "seq": now[self.page_topic],
                }
            )
            for part in self.parts.values():
                part.run = now[RUN]
        else:
            self.missed(topics)
        for name in self.parts:
            self.start(self.keep_drawn(name))
        self.start(self.keep_telling_progress())
        self.start(self.ping())

    def topics(self) -> frozenset[str]:
        return self.source().topics | {live.HARDWARE_TOPIC}

    def start(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.create_task(self.guarded(work))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def guarded(self, work: Any) -> None:
        """Ends the socket when its work cannot go on; the page then comes again."""
        try:
            await work
        except Refused as refused:
            if refused.code == NOT_THERE and not self.said_gone:
                self.said_gone = True
                await self.send_json({"kind": "gone"})
            await self.close(refused.code)
        except OSError:
            pass  # the browser went away while we were sending
        except Exception:
            log.exception("A page's socket broke")
            await self.close(1011)

    # --- What the page is told ---------------------------------------------------
    def hear(self, heard: Heard) -> None:
        """From the hub. A hole in the numbers means that some was lost."""
        news = heard.news
        if news["kind"] == "progress" and heard.whole:
            self.progress[news["data"].get("replica", 0)] = heard
            self.progressed.set()
        else:
            self.missed({news["topic"]})

    def missed(self, topics: Collection[str]) -> None:
        if live.HARDWARE_TOPIC in topics:
            self.parts["hardware"].dirty.set()
        if any(topic != live.HARDWARE_TOPIC for topic in topics):
            self.parts["page"].dirty.set()

    async def keep_telling_progress(self) -> None:
        while True:
            await self.progressed.wait()
            self.progressed.clear()
            waiting, self.progress = self.progress, {}
            for heard in waiting.values():
                # With its number the page would claim a change it has not been sent.
                behind = self.parts["page"].behind
                await self.send(heard.text_without_number if behind else heard.text)

    async def keep_drawn(self, name: str) -> None:
        part, page = self.parts[name], name == "page"
        while True:
            await part.dirty.wait()
            part.dirty.clear()
            part.drawing = True
            source = self.source() if page else _hardware(self.user.pk)
            picture = await shared(source)
            if page and source.key != self.source().key:
                # Something else is to be shown by now, such as another dialog.
                part.dirty.set()
                continue
            part.run = picture.run
            await self.show(picture)
            part.drawing = False
            if page:
                await self.drawn(picture)

    async def show(self, picture: Picture) -> None:
        """Send the fragments that differ from what this page was sent last."""
        names = self.changed(picture)
        # Numbers count for a run only once all of the page is of it.
        whole = all(part.run == picture.run for part in self.parts.values())
        seen = {RUN: picture.run} if whole and picture.run is not None else {}
        if names:
            await self.send(picture.message(names, seen))

    def changed(self, picture: Picture) -> tuple[str, ...]:
        still, sent = picture.still, self.sent
        names = tuple(name for name in still if sent.get(name) != still[name])
        sent.update(still)
        return names

    async def ping(self) -> None:
        """Keep the line alive, as long as whoever opened it is signed in."""
        while True:
            await self.send_json({"kind": "ping", "now": round(time.time() * 1000)})
            await asyncio.sleep(PING_SECONDS)
            await self.check_session()

    async def websocket_disconnect(self, message: Any) -> None:
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await hub().leave(self)
        raise StopConsumer


def _hardware(user_pk: int) -> Source:
    def draw() -> tuple[dict[str, str], None]:
        context = fragments.hardware_context(user_pk)
        return fragments.draw(fragments.HARDWARE_FRAGMENTS, context), None

    topic = live.HARDWARE_TOPIC
    return Source(("hardware", user_pk), topic, frozenset({topic}), draw, small=True)


async def shared(source: Source) -> Picture:
    """As it is now, drawn once for all pages that show the same. May refuse."""

    async def draw() -> Picture:
        # Before the rows are read: the picture is at least as new as these.
        known = hub().seqs
        seqs = {topic: known[topic] for topic in source.topics if topic in known}
        run = known.get(RUN)
        html, about = await in_thread(source.draw, small=source.small)
        return Picture(html, source.topic, seqs, run, about)

    return await sharing().share(source.key, draw)


async def _user_of(scope: Any) -> Any:
    """Whose session that is now; asked once for all pages of it."""
    session = scope["session"]

    async def look() -> Any:
        if not await database_sync_to_async(session.exists)(session.session_key):
            return AnonymousUser()
        return await get_user(scope)

    return await sharing().share(("session", session.session_key), look)
