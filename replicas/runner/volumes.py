"""Volumes at the engine: those not wanted go, those in use are measured, any is read.

Removing follows from the rows (`Volume.deleting`), so a lost message costs one sweep.
Counting a volume's files is slow: it goes on by itself, and who waits for it may leave.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import aclosing
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from endpoints.models import Volume, VolumeQuerySet
from endpoints.volumes import FRESH
from replicas.engine import get_engine
from replicas.engine.base import EngineError, EngineStreams, EngineUnreachable
from replicas.engine.errors import NoVolume
from replicas.models import Replica
from replicas.runner.threads import in_slow_thread, in_thread

log = logging.getLogger(__name__)

# A volume that running replicas mount is measured this often, without being asked.
IN_USE = timedelta(minutes=15)
# Seconds between looks for those, and until a removal that failed is tried again.
_PAUSE = 60.0
_AGAIN = 15.0

# What is measured: row and name in the engine.
Measured = tuple[int, str]


class VolumeGone(EngineError):
    """There is no such volume any more."""

    reason = "VolumeGone"


class VolumeEmpty(EngineError):
    """The engine makes a volume for the first replica that mounts it."""

    reason = "VolumeEmpty"


class VolumeKeeper:
    def __init__(self, streams: EngineStreams) -> None:
        self._streams = streams
        # The engine counts everything each time: one after the other.
        self._counting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._next_look = self._next_removal = 0.0

    async def sweep(self) -> None:
        now = time.monotonic()
        if now >= self._next_removal and not await self.remove_all():
            self._next_removal = now + _AGAIN
        if now >= self._next_look:
            self._next_look = now + _PAUSE
            self._begin(self._measure_used())

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def remove_all(self) -> bool:
        """Remove volumes that are to go. False when one could not be removed."""
        return await in_slow_thread(_remove_all)

    async def measure(self, owner_id: int | None) -> None:
        """Fresh sizes for this account's volumes, or for all. Raises EngineError.

        Who stops waiting does not stop the work, and who comes next shares it.
        """
        await asyncio.shield(self._begin(self._measure_of(owner_id)))

    async def archive(self, volume_id: int) -> AsyncGenerator[bytes, None]:
        """A tar of its files. Raises VolumeGone, VolumeEmpty, EngineError."""
        row = await in_thread(Volume.objects.filter(pk=volume_id).first)
        if row is None:
            raise VolumeGone("This volume is deleted.")
        try:
            pieces = self._streams.volume_archive(row.engine_name)
            async with aclosing(pieces):
                async for piece in pieces:
                    yield piece
        except NoVolume:
            raise VolumeEmpty(
                f"{row.name} has no files yet: no replica has started with it."
            ) from None
        except EngineError as error:
            raise _told(error, row) from None

    def _begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        # Also when the one who waited for it has left.
        error = task.exception()
        if error is not None and not isinstance(error, EngineError):
            log.error("Volumes could not be measured", exc_info=error)

    async def _measure_used(self) -> None:
        try:
            await self._count(_in_use)
        except EngineUnreachable:
            return  # told by others
        except EngineError as error:
            log.warning("Volumes could not be measured: %s", error)

    async def _measure_of(self, owner_id: int | None) -> None:
        await self._count(lambda: _of(owner_id))

    async def _count(self, due: Callable[[], list[Measured]]) -> None:
        async with self._counting:
            # Looked up now: whoever counted before us may have counted these.
            rows = await in_thread(due)
            if rows:
                sizes = await self._streams.volume_sizes([name for _, name in rows])
                await in_thread(_write, rows, sizes)


def _remove_all() -> bool:
    done = True
    for row in Volume.objects.filter(deleting=True):
        try:
            get_engine().remove_volume(row.engine_name)
        except EngineUnreachable:
            return False
        except EngineError as error:
            done = False
            # Not to a row that somebody asked about anew meanwhile.
            told = str(_told(error, row))
            if row.trouble != told:
                Volume.objects.filter(pk=row.pk).update(trouble=told)
        else:
            row.delete()
    return done


def _told(error: EngineError, row: Volume) -> EngineError:
    """With the volume's name as people know it."""
    told = EngineError(str(error).replace(row.engine_name, row.name))
    told.reason = error.reason
    return told


def _of(owner_id: int | None) -> list[Measured]:
    rows = _older(FRESH)
    if owner_id is not None:
        rows = rows.filter(owner_id=owner_id)
    return list(rows.values_list("pk", "engine_name"))


def _in_use() -> list[Measured]:
    alive = Replica.objects.alive().exclude(container_id="")
    mounted = {
        (replica.endpoint.owner_id, spec.volume.name)
        for replica in alive.select_related("endpoint", "revision")
        if (spec := replica.container).volume is not None
    }
    return [
        (row.pk, row.engine_name)
        for row in _older(IN_USE)
        if (row.owner_id, row.name) in mounted
    ]


def _older(age: timedelta) -> VolumeQuerySet:
    due = Q(measured_at=None) | Q(measured_at__lt=timezone.now() - age)
    return Volume.objects.kept().filter(due)


def _write(rows: Iterable[Measured], sizes: dict[str, int]) -> None:
    """Sizes as they were seen; what the engine does not know keeps what it had."""
    at = timezone.now()
    for pk, name in rows:
        size = {"size_bytes": sizes[name]} if name in sizes else {}
        Volume.objects.filter(pk=pk).update(measured_at=at, **size)
