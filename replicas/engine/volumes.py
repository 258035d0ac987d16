"""Looks into volumes of the Docker engine: their sizes, and their files as a tar."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection
from contextlib import suppress
from typing import Any

from replicas.engine import errors, helpers, names
from replicas.engine.base import EngineError, EngineRefused, ImageNotFound
from replicas.engine.sharing import Sharing
from replicas.engine.wire import Wire

# Seconds without a byte. The engine counts every file of every volume before it says
# a word, and reads large files from slow disks.
_COUNTING, _READING = 1800.0, 600.0
# It waits while somebody reads, in another process even. It is done all the same.
_REMOVING = 10.0
# Somebody else had the engine count: how often, and seconds between, we ask again.
_TURNS, _PAUSE = 120, 1.0
_BUSY = "disk usage operation is already running"

Sizes = dict[str, int]


class Volumes:
    """One for each event loop; touches only volumes of this installation."""

    def __init__(self, wire: Wire, installation: str) -> None:
        self._wire = wire
        self._installation = installation
        self._counts: Sharing[None, Sizes] = Sharing()
        # Helpers that somebody reads from right now.
        self._ours: set[str] = set()
        self._making = asyncio.Lock()

    async def sizes(self, wanted: Collection[str]) -> Sizes:
        """See `EngineStreams.volume_sizes`."""
        if not wanted:
            return {}
        # An engine counts for one caller at a time and refuses the others.
        every = await self._counts.run("all", self._count, lambda _: None)
        return {name: every[name] for name in wanted if name in every}

    async def _count(self, tell: Callable[[None], None]) -> Sizes:
        for _ in range(_TURNS):
            try:
                # Engines before 23.0 know no "type" and count everything.
                found = await self._wire.json(
                    "/system/df", params={"type": "volume"}, silence=_COUNTING
                )
            except EngineRefused as error:
                if _BUSY not in str(error):
                    raise
                await asyncio.sleep(_PAUSE)
            else:
                return self._read(found)
        raise EngineRefused(
            "The engine is busy measuring for somebody else. Try again later."
        )

    def _read(self, found: dict[str, Any]) -> Sizes:
        sizes = {}
        for volume in found.get("Volumes") or ():
            # -1 stands for what cannot be told.
            size = int((volume.get("UsageData") or {}).get("Size", -1))
            if size >= 0 and self._is_ours(volume):
                sizes[str(volume["Name"])] = size
        return sizes

    async def archive(self, name: str, *, gzip: bool) -> AsyncGenerator[bytes, None]:
        """See `EngineStreams.volume_archive`."""
        helper = await self._hold(name)
        try:
            async with self._wire.open(
                "GET",
                f"/containers/{helper}/archive",
                params={"path": f"{helpers.PLACE}/."},
                headers={"Accept-Encoding": "gzip" if gzip else "identity"},
                silence=_READING,
            ) as response:
                async for piece in response.content.iter_any():
                    yield piece
        finally:
            # Also when the reader is cancelled while this waits.
            await asyncio.shield(self._let_go(helper))

    async def fill(self, name: str, files: AsyncIterable[bytes]) -> None:
        """See `EngineStreams.volume_fill`."""
        helper = await self._hold(name, writable=True)
        try:
            async with self._wire.open(
                "PUT",
                f"/containers/{helper}/archive",
                params={"path": helpers.PLACE},
                headers={"Content-Type": "application/x-tar"},
                data=files,
                silence=_READING,
            ):
                pass
        finally:
            await asyncio.shield(self._let_go(helper))

    async def _hold(self, name: str, *, writable: bool = False) -> str:
        """The id of a helper that has the volume and never runs. A volume that is to
        be written is made with it."""
        try:
            if not self._is_ours(await self._wire.json(f"/volumes/{name}")):
                raise errors.volume_of_others(name)
        except errors.NoVolume:
            if not writable:
                raise
        body = helpers.holds_volume(self._installation, name, writable=writable)
        async with self._making:
            await self._ensure_image()
            await self._forget_left()
            made = await self._create(body)
            self._ours.add(made)
        return made

    async def _create(self, body: dict[str, Any]) -> str:
        async with self._wire.open(
            "POST",
            "/containers/create",
            params={"name": helpers.name(self._installation, helpers.ARCHIVE)},
            headers={"Content-Type": "application/json"},
            data=json.dumps(body).encode(),
            silence=60,
        ) as response:
            return str((await response.json())["Id"])

    async def _let_go(self, helper: str) -> None:
        self._ours.discard(helper)
        with suppress(EngineError):
            async with self._wire.open(
                "DELETE",
                f"/containers/{helper}",
                params={"force": "1"},
                silence=_REMOVING,
            ):
                pass

    async def _forget_left(self) -> None:
        """Remove helpers of a process that was killed while it read from them."""
        marks = helpers.labels(self._installation, helpers.ARCHIVE)
        filters = {"label": [f"{key}={value}" for key, value in marks.items()]}
        query = {"all": "1", "filters": json.dumps(filters)}
        for held in await self._wire.json("/containers/json", params=query):
            if held["Id"] not in self._ours:
                await self._let_go(held["Id"])

    async def _ensure_image(self) -> None:
        with suppress(ImageNotFound):
            await self._wire.json(f"/images/{helpers.reference()}/json")
            return
        name, tag = helpers.image()
        async with self._wire.open(
            "POST",
            "/images/create",
            params={"fromSrc": "-", "repo": name, "tag": tag},
            headers={"Content-Type": "application/x-tar"},
            data=helpers.pack(),
            silence=60,
        ) as response:
            async for message in self._wire.messages(response):
                if "error" in message:
                    raise errors.translate(0, str(message["error"]))

    def _is_ours(self, volume: dict[str, Any]) -> bool:
        return (volume.get("Labels") or {}).get(
            names.INSTALLATION
        ) == self._installation

    async def close(self) -> None:
        await self._counts.close()
