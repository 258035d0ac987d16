"""The Docker engine's long streams, through its socket and one asyncio loop."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from functools import partial
from urllib.parse import urlsplit

from django.conf import settings

from replicas.engine import contexts, errors, names, registry, registry_auth, translate
from replicas.engine.base import (
    EngineError,
    EngineEvent,
    EngineRefused,
    FetchProgress,
    ImageInfo,
    LogChunk,
)
from replicas.engine.fetch_progress import BuildMeter, PullMeter
from replicas.engine.frames import LogReader, RawReader
from replicas.engine.live import Latest
from replicas.engine.resume import Place
from replicas.engine.sharing import Sharing
from replicas.engine.wire import Wire

Tell = Callable[[FetchProgress], None]

# Seconds without a message. A step of a build may think for long without a word.
PULL_SILENCE, BUILD_SILENCE = 600.0, 3600.0
# Seconds to wait before following a silent container anew.
_BREATH = 0.5
# Seconds between two pieces of progress, unless the step changes.
_PACE = 0.2
_NS = 1_000_000_000
_ACTIONS = ["create", "start", "die", "oom", "destroy", "pause", "unpause"]
_FULL = "no space left on device"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")


class DockerStreams:
    """See `replicas.engine.base.EngineStreams`. Belongs to one event loop."""

    def __init__(self, host: str = "") -> None:
        self._wire = Wire(host or settings.ALIGHT_DOCKER_HOST)
        self._fetches: Sharing[FetchProgress, ImageInfo] = Sharing()

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
                yield translate.event(message)
        raise errors.unreachable("the event stream ended")

    async def logs(self, container_id: str, *, since: int) -> AsyncIterator[LogChunk]:
        async with aclosing(self.log_batches(container_id, since=since)) as batches:
            async for batch in batches:
                for chunk in batch:
                    yield chunk

    async def log_batches(
        self, container_id: str, *, since: int
    ) -> AsyncGenerator[list[LogChunk], None]:
        place = Place(since)
        running = True
        while running:
            before = place.at
            async for batch in self._read(container_id, place, follow=True):
                yield batch
            # The engine now and then ends this early: on a restart of its own, or
            # when it trips over its own file. Only the container's end counts.
            running = await self._is_running(container_id)
            if running and place.at == before:
                await asyncio.sleep(_BREATH)
        async for batch in self._read(container_id, place, follow=False):
            yield batch
        if endings := place.endings():
            yield endings

    async def _read(
        self, container_id: str, place: Place, *, follow: bool
    ) -> AsyncGenerator[list[LogChunk], None]:
        params = {
            "follow": "1" if follow else "0",
            "stdout": "1",
            "stderr": "1",
            "timestamps": "1",
            "since": _stamp(place.at) if place.at else "0",
        }
        place.again()
        reader = LogReader()
        output = self._output("GET", container_id, "logs", params)
        async with aclosing(output) as pieces:
            async for piece in pieces:
                if batch := place.fresh(reader.feed(piece)):
                    yield batch

    async def _is_running(self, container_id: str) -> bool:
        try:
            attrs = await self._wire.json(f"/containers/{container_id}/json")
        except errors.Gone:
            return False
        return bool(attrs["State"]["Running"])

    async def live_tail(self, container_id: str) -> AsyncIterator[tuple[str, bytes]]:
        params = {"stream": "1", "stdout": "1", "stderr": "1"}
        reader = RawReader()

        async def pieces() -> AsyncIterator[tuple[str, bytes]]:
            output = self._output("POST", container_id, "attach", params)
            async with aclosing(output) as read:
                async for piece in read:
                    for found in reader.feed(piece):
                        yield found

        # The engine makes the container wait when nobody reads: so always read.
        async with Latest(pieces()) as latest:
            async for found in latest:
                yield found

    async def _output(
        self, method: str, container_id: str, what: str, params: dict[str, str]
    ) -> AsyncGenerator[bytes, None]:
        path = f"/containers/{container_id}/{what}"
        try:
            async with self._wire.open(method, path, params=params) as response:
                async for piece in response.content.iter_any():
                    yield piece
        except errors.Gone:
            return

    # --- Images --------------------------------------------------------------
    async def fetch(self, image: str, *, build: str, on_progress: Tell) -> ImageInfo:
        if not build:
            return await self._fetches.run(
                image, lambda tell: self._pull(image, tell), on_progress
            )
        tag = await asyncio.to_thread(contexts.resolve, image, build)
        return await self._fetches.run(
            tag, lambda tell: self._build(tag, build, tell), on_progress
        )

    async def _pull(self, image: str, tell: Tell) -> ImageInfo:
        name, tag = names.split_tag(image)
        known = await asyncio.to_thread(registry_auth.credentials, image)
        meter, paced = PullMeter(time.monotonic), _Paced(tell)
        sizes = asyncio.create_task(registry.layer_sizes(image, known))
        sizes.add_done_callback(partial(_learn, meter))
        try:
            async with self._wire.open(
                "POST",
                "/images/create",
                params={"fromImage": name, "tag": tag},
                headers=registry_auth.pull_headers(known),
                silence=PULL_SILENCE,
                image=image,
            ) as response:
                async for message in self._wire.messages(response):
                    if said := _error_in(message):
                        raise errors.translate(0, said, image=image)
                    paced.tell(meter.feed(message))
        finally:
            sizes.cancel()
        paced.last()
        return await self._image(image)

    async def _build(self, tag: str, build: str, tell: Tell) -> ImageInfo:
        meter, paced = BuildMeter(time.monotonic), _Paced(tell)
        try:
            await self._run_build(tag, build, meter, paced)
        except EngineRefused as error:
            # The engine cannot read the Dockerfile.
            raise errors.build_failed("", str(error), []) from error
        paced.last()
        return await self._image(tag)

    async def _run_build(
        self, tag: str, build: str, meter: BuildMeter, paced: _Paced
    ) -> None:
        context = await asyncio.to_thread(contexts.pack, build)
        headers = await asyncio.to_thread(registry_auth.build_headers)
        headers["Content-Type"] = "application/x-tar"
        async with self._wire.open(
            "POST",
            "/build",
            params=build_params(tag, contexts.build_digest(build), os.environ),
            headers=headers,
            data=context,
            silence=BUILD_SILENCE,
        ) as response:
            async for message in self._wire.messages(response):
                if said := _error_in(message):
                    raise _build_error(meter, said)
                paced.tell(meter.feed(message))

    async def _image(self, reference: str) -> ImageInfo:
        return translate.image_info(await self._wire.json(f"/images/{reference}/json"))

    async def close(self) -> None:
        await self._fetches.close()
        await self._wire.close()


class _Paced:
    """Passes progress on a few times a second, and a new step at once."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._due = 0.0
        self._held: FetchProgress | None = None
        self._phase: tuple[object, ...] = ()

    def tell(self, progress: FetchProgress) -> None:
        now = time.monotonic()
        phase = (progress.step, progress.layers, progress.unpacking)
        if now >= self._due or phase != self._phase:
            self._due, self._phase, self._held = now + _PACE, phase, None
            self._tell(progress)
        else:
            self._held = progress

    def last(self) -> None:
        if self._held is not None:
            self._tell(self._held)


def _learn(meter: PullMeter, asked: asyncio.Task[dict[str, int]]) -> None:
    if not asked.cancelled():
        meter.sizes.update(asked.result())


def build_params(tag: str, digest: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Query of the build call. Proxies of this process go along, as for `docker`."""
    proxies = {
        key: value
        for name in _PROXIES
        for key in (name, name.lower())
        if (value := environ.get(key))
    }
    params = {
        "t": tag,
        "version": "1",
        "rm": "1",
        "forcerm": "1",
        "labels": json.dumps({names.BUILD: digest}),
        "buildargs": json.dumps(proxies),
    }
    if any(_is_local(value) for value in proxies.values()):
        # A proxy on this machine's loopback is out of reach from the bridge.
        params["networkmode"] = "host"
    return params


def _is_local(proxy: str) -> bool:
    return (urlsplit(proxy).hostname or "") in {"localhost", "127.0.0.1", "::1"}


def _error_in(message: dict[str, object]) -> str:
    detail = message.get("errorDetail")
    if isinstance(detail, dict) and detail.get("message"):
        return str(detail["message"])
    return str(message.get("error") or "")


def _build_error(meter: BuildMeter, said: str) -> EngineError:
    """A base image that cannot be had is the registry's fault, the rest the step's."""
    error = errors.translate(0, said, image=meter.base)
    if meter.step.upper().startswith("FROM ") and not isinstance(error, EngineRefused):
        return error
    if any(_FULL in line.lower() for line in (said, *meter.tail)):
        return errors.translate(0, _FULL)
    return errors.build_failed(meter.step, said, list(meter.tail))


def _stamp(at: int) -> str:
    return f"{at // _NS}.{at % _NS:09d}"
