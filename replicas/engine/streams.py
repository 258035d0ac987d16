"""The Docker engine's long streams, through its socket and one asyncio loop."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Collection,
)
from contextlib import aclosing

import aiohttp
from django.conf import settings

from replicas.engine import errors, names, translate
from replicas.engine.asking import Asker
from replicas.engine.base import (
    NOTHING,
    EngineEvent,
    FetchProgress,
    ImageFacts,
    ImageInfo,
    Known,
    LogChunk,
    SignIn,
    Usage,
)
from replicas.engine.fetching import Fetcher
from replicas.engine.frames import LogReader, RawReader
from replicas.engine.live import Latest
from replicas.engine.resume import Place
from replicas.engine.volumes import Volumes
from replicas.engine.wire import Wire

# Seconds to wait before following a silent container anew.
_BREATH = 0.5
# A line that comes alone is read at once; those after it gather for so long (s).
_GATHER = 0.005
# Unless as much came as the engine's side of the socket holds at least: some 270 lines,
# each with forty bytes of its own. Then the engine waits.
_FULL = 10_000
_NS = 1_000_000_000
_ACTIONS = ["create", "start", "die", "oom", "destroy", "pause", "unpause"]


class DockerStreams:
    """See `replicas.engine.base.EngineStreams`. Belongs to one event loop."""

    def __init__(self, host: str = "", installation: str = "") -> None:
        self._wire = Wire(host or settings.ALIGHT_DOCKER_HOST)
        # Output is not taken apart twice: by 1.1 every line would come as a chunk.
        self._plain = Wire(
            host or settings.ALIGHT_DOCKER_HOST, version=aiohttp.HttpVersion10
        )
        self._fetcher = Fetcher(self._wire)
        self._asker = Asker(self._wire)
        self._volumes = Volumes(
            self._wire, installation or settings.ALIGHT_INSTALLATION
        )

    # --- Events and output ---------------------------------------------------
    def events(self, labels: dict[str, str]) -> AsyncIterator[EngineEvent]:
        # Taken now, not at the first step: what happens between the two is replayed.
        return self._events(labels, since=time.time_ns())

    async def _events(
        self, labels: dict[str, str], *, since: int
    ) -> AsyncIterator[EngineEvent]:
        filters = {
            "type": ["container"],
            "event": _ACTIONS,
            "label": [f"{key}={value}" for key, value in labels.items()],
        }
        params = {"filters": json.dumps(filters), "since": _stamp(since)}
        async with self._wire.open("GET", "/events", params=params) as response:
            async for message in self._wire.messages(response):
                event = translate.event(message)
                if names.ROLE not in event.labels:
                    yield event
        raise errors.unreachable("the event stream ended")

    async def logs(self, container_id: str, *, since: int) -> AsyncIterator[LogChunk]:
        async with aclosing(self.log_batches(container_id, since=since)) as batches:
            async for batch in batches:
                for chunk in batch:
                    yield chunk

    async def log_batches(
        self, container_id: str, *, since: int, known: Known = NOTHING
    ) -> AsyncGenerator[list[LogChunk], None]:
        place = Place(since, known)
        while await self._is_running(container_id):
            before = place.newest
            async for batch in self._read(container_id, place, follow=True):
                yield batch
            # The engine now and then ends this early: on a restart of its own, or
            # when it trips over its own file. Only the container's end counts.
            if place.newest == before:
                await asyncio.sleep(_BREATH)
        async for batch in self._read(container_id, place, follow=False):
            yield batch
        if endings := place.endings():
            yield endings

    async def _read(
        self, container_id: str, place: Place, *, follow: bool
    ) -> AsyncGenerator[list[LogChunk], None]:
        """Until the engine ends it or, where `follow`, puts us somewhere else."""
        place.again()
        async with aclosing(self._chunks(container_id, place, follow=follow)) as read:
            async for chunks in read:
                left = chunks
                while left:
                    batch = place.fresh(left, whole=not follow)
                    if gap := place.gap(batch):
                        yield [gap]
                    if batch:
                        yield batch
                    if place.back or await self._is_elsewhere(container_id, place):
                        return
                    left = place.believe()

    async def _chunks(
        self, container_id: str, place: Place, *, follow: bool
    ) -> AsyncGenerator[list[LogChunk], None]:
        """What the engine has from `place.at` on, at least."""
        for lines in place.ends:
            params = _params(0, follow=follow) | {"tail": str(lines)}
            joins = None
            async with aclosing(self._lines(container_id, params)) as read:
                async for size, chunks in read:
                    joins = joins or place.joins(chunks)
                    if joins is False:
                        break
                    if joins:
                        place.weigh(size)
                        yield chunks
            if joins:
                return
            if joins is None:
                break  # that was all it has
        if place.newest:
            place.missed(await self._oldest(container_id))
        params = _params(place.at, follow=follow)
        async with aclosing(self._lines(container_id, params)) as read:
            async for size, chunks in read:
                place.weigh(size)
                yield chunks

    async def _lines(
        self, container_id: str, params: dict[str, str]
    ) -> AsyncGenerator[tuple[int, list[LogChunk]], None]:
        """What came together, and how many bytes it was."""
        reader = LogReader()
        async with aclosing(self._logs(container_id, params)) as read:
            async for piece in read:
                yield len(piece), reader.feed(piece)

    async def _is_elsewhere(self, container_id: str, place: Place) -> bool:
        """Whether to read again after a pause, since the engine left out files."""
        if not place.doubt:
            return False
        oldest = await self._oldest(container_id)
        # What we are being given may be gone as well by now: then it is all there is.
        place.missed(min(oldest, place.doubt))
        return place.newest < oldest <= place.doubt

    async def _oldest(self, container_id: str) -> int:
        """Time of the first line that the engine still has, 0 when there is none."""
        params = _params(0, follow=False)
        async with aclosing(self._lines(container_id, params)) as read:
            async for _, lines in read:
                if lines:
                    return lines[0].at
        return 0

    async def _is_running(self, container_id: str) -> bool:
        try:
            attrs = await self._wire.json(f"/containers/{container_id}/json")
        except errors.Gone:
            return False
        return bool(attrs["State"]["Running"])

    async def live_tail(self, container_id: str) -> AsyncIterator[tuple[str, bytes]]:
        reader = RawReader()

        async def pieces() -> AsyncIterator[tuple[str, bytes]]:
            async with aclosing(self._attached(container_id)) as read:
                async for piece in read:
                    for found in reader.feed(piece):
                        yield found

        # The engine makes the container wait when nobody reads: so always read.
        async with Latest(pieces()) as latest:
            async for found in latest:
                yield found

    async def _logs(
        self, container_id: str, params: dict[str, str]
    ) -> AsyncGenerator[bytes, None]:
        path = f"/containers/{container_id}/logs"
        try:
            async with self._plain.open("GET", path, params=params) as response:
                async for piece in response.content.iter_any():
                    yield piece
                    if len(piece) < _FULL:
                        await _gather(response)
        except errors.Gone:
            return

    async def _attached(self, container_id: str) -> AsyncGenerator[bytes, None]:
        path = f"/containers/{container_id}/attach"
        params = {"stream": "1", "stdout": "1", "stderr": "1"}
        try:
            async with self._wire.open("POST", path, params=params) as response:
                async for piece in response.content.iter_any():
                    yield piece
        except errors.Gone:
            return

    async def usage(self, container_id: str) -> Usage | None:
        path = f"/containers/{container_id}/stats"
        params = {"stream": "0", "one-shot": "1"}
        try:
            return translate.usage(await self._wire.json(path, params=params))
        except errors.Gone:
            return None

    # --- Images --------------------------------------------------------------
    async def fetch(
        self,
        image: str,
        *,
        build: str,
        on_progress: Callable[[FetchProgress], None],
        sign_in: SignIn | None = None,
    ) -> ImageInfo:
        return await self._fetcher.fetch(
            image, build=build, on_progress=on_progress, sign_in=sign_in
        )

    async def image_facts(
        self, image: str, *, sign_in: SignIn | None = None, node: bool = True
    ) -> ImageFacts:
        return await self._asker.image_facts(image, sign_in, node=node)

    async def check_sign_in(self, sign_in: SignIn) -> None:
        await self._asker.check_sign_in(sign_in)

    # --- Volumes -------------------------------------------------------------
    async def volume_sizes(self, names: Collection[str]) -> dict[str, int]:
        return await self._volumes.sizes(names)

    def volume_archive(
        self, name: str, *, gzip: bool = False
    ) -> AsyncGenerator[bytes, None]:
        return self._volumes.archive(name, gzip=gzip)

    async def volume_fill(self, name: str, files: AsyncIterable[bytes]) -> None:
        await self._volumes.fill(name, files)

    async def close(self) -> None:
        await self._fetcher.close()
        await self._volumes.close()
        await self._wire.close()
        await self._plain.close()


def _params(since: int, *, follow: bool) -> dict[str, str]:
    return {
        "follow": "1" if follow else "0",
        "stdout": "1",
        "stderr": "1",
        "timestamps": "1",
        "since": _stamp(since) if since > 0 else "0",
    }


async def _gather(response: aiohttp.ClientResponse) -> None:
    """Leave what comes next to the system for a moment.

    The engine writes every line by itself. Read one by one, as they come, they cost
    several times what many together do.
    """
    connection = response.connection
    protocol = connection.protocol if connection else None
    if protocol is None:
        return
    protocol.pause_reading()
    await asyncio.sleep(_GATHER)
    protocol.resume_reading()


def _stamp(at: int) -> str:
    return f"{at // _NS}.{at % _NS:09d}"
