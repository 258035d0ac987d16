"""Brings images to the engine: pulled from a registry, or built from a context."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import urlsplit

from replicas.engine import contexts, errors, names, registry, registry_auth, translate
from replicas.engine.base import (
    EngineError,
    EngineRefused,
    FetchProgress,
    ImageInfo,
    RegistryRefused,
    SignIn,
)
from replicas.engine.fetch_progress import BuildMeter, PullMeter
from replicas.engine.sharing import Sharing
from replicas.engine.wire import Wire

Tell = Callable[[FetchProgress], None]

# Seconds without a message. A step of a build may think for long without a word.
PULL_SILENCE, BUILD_SILENCE = 600.0, 3600.0
# Seconds between two pieces of progress, unless the step changes.
_PACE = 0.2
_FULL = "no space left on device"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")


class Fetcher:
    """One for each event loop. Who asks for the same image shares the work."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._fetches: Sharing[FetchProgress, ImageInfo] = Sharing()

    async def fetch(
        self, image: str, *, build: str, on_progress: Tell, sign_in: SignIn | None
    ) -> ImageInfo:
        if not build:
            # The password counts, too: who knows only a name shares nothing.
            return await self._fetches.run(
                (image, sign_in),
                lambda tell: self._pull_as(sign_in, image, tell),
                on_progress,
            )
        tag = await asyncio.to_thread(contexts.resolve, image, build)
        return await self._fetches.run(
            tag, lambda tell: self._build(tag, build, tell), on_progress
        )

    async def _pull_as(
        self, sign_in: SignIn | None, image: str, tell: Tell
    ) -> ImageInfo:
        known = await asyncio.to_thread(registry_auth.credentials, image, sign_in)
        try:
            return await self._pull(image, known, tell)
        except RegistryRefused as error:
            if sign_in is None:
                raise
            raise errors.image_refused(sign_in, image, error) from error

    async def _pull(self, image: str, known: dict[str, str], tell: Tell) -> ImageInfo:
        name, tag = names.split_tag(image)
        meter = PullMeter(time.monotonic)
        sizes = asyncio.create_task(registry.layer_sizes(image, known))
        sizes.add_done_callback(partial(_learn, meter))
        try:
            with Paced(tell) as paced:
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
        return await self._image(image)

    async def _build(self, tag: str, build: str, tell: Tell) -> ImageInfo:
        try:
            with Paced(tell) as paced:
                await self._run_build(tag, build, BuildMeter(time.monotonic), paced)
        except EngineRefused as error:
            # The engine cannot read the Dockerfile.
            raise errors.build_failed("", str(error), []) from error
        return await self._image(tag)

    async def _run_build(
        self, tag: str, build: str, meter: BuildMeter, paced: Paced
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


class Paced:
    """Passes progress on a few times a second, and a new step at once.

    What comes too early is told when its time has come, also if nothing follows it:
    the line before a long silence is the one that a person looks at.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._due = 0.0
        self._held: FetchProgress | None = None
        self._phase: tuple[object, ...] = ()
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Paced:
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._held is not None and failed is None:
            self._tell(self._held)

    def tell(self, progress: FetchProgress) -> None:
        now = time.monotonic()
        phase = (progress.step, progress.layers, progress.unpacking)
        if now >= self._due or phase != self._phase:
            self._due, self._phase, self._held = now + _PACE, phase, None
            self._tell(progress)
            return
        self._held = progress
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._due - now, self._late)

    def _late(self) -> None:
        self._timer = None
        if self._held is not None:
            self.tell(self._held)


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
