"""Pulls and builds the images that replicas wait for."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from django.db import transaction

from endpoints.steps import Reason
from replicas import progress, pulls, services
from replicas.engine.base import (
    EngineError,
    EngineStreams,
    EngineUnreachable,
    FetchProgress,
    ImageInfo,
)
from replicas.models import Replica
from replicas.reconciler.failing import fail
from replicas.runner.jobs import Jobs
from replicas.runner.looking import look
from replicas.runner.signing_in import sign_in
from replicas.runner.threads import in_thread
from replicas.states import ReplicaState

log = logging.getLogger(__name__)

# People see at most this many changes of a bar in a second.
_UPDATES = 5


@dataclass(frozen=True)
class Fetch:
    """One attempt that waits for an image. registry: key of the owner's sign-in."""

    endpoint_id: int
    owner_id: int
    image: str
    build: str
    registry: str


Key = tuple[int, int]  # replica id, attempt


class Fetcher:
    def __init__(self, streams: EngineStreams) -> None:
        self._streams = streams
        self._jobs: Jobs[Key, Fetch] = Jobs(self._fetch)

    async def sweep(self) -> None:
        self._jobs.fit(await in_thread(_wanted))

    async def close(self) -> None:
        await self._jobs.close()

    async def _fetch(self, key: Key, fetch: Fetch) -> None:
        news = _News(key[0], fetch.endpoint_id)
        writer = asyncio.create_task(news.write_all())
        begun = time.monotonic()
        try:
            # Opened only now, so that a password is in memory while it is needed.
            found = await in_thread(sign_in, fetch.owner_id, fetch.registry)
            if found and not fetch.build:
                await in_thread(pulls.begin, fetch.owner_id, fetch.image)
            info = await self._streams.fetch(
                fetch.image,
                build=fetch.build,
                on_progress=news.give,
                sign_in=found,
            )
        except EngineUnreachable:
            return  # starts again once the engine is back
        except EngineError as error:
            await in_thread(pulls.ended, fetch.owner_id, fetch.image)
            await in_thread(_failed, key, error)
        else:
            took = time.monotonic() - begun
            if not fetch.build:
                # First of all: from here on somebody may look whether it is there.
                await in_thread(
                    pulls.got,
                    fetch.owner_id,
                    fetch.image,
                    info.id,
                    private=found is not None,
                )
            await in_thread(_fetched, key, info, news.last, took)
        finally:
            writer.cancel()
        await look(fetch.endpoint_id)


class _News:
    """The newest progress, written a few times a second however fast it comes."""

    def __init__(self, replica_id: int, endpoint_id: int) -> None:
        self.last: FetchProgress | None = None
        self._replica_id = replica_id
        self._endpoint_id = endpoint_id
        self._fresh = asyncio.Event()

    def give(self, seen: FetchProgress) -> None:
        self.last = seen
        self._fresh.set()

    async def write_all(self) -> None:
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            if self.last is not None:
                seen = progress.of_fetch(self._replica_id, self.last)
                await in_thread(progress.write, self._endpoint_id, seen)
            await asyncio.sleep(1 / _UPDATES)


def _wanted() -> dict[Key, Fetch]:
    found = {}
    rows = Replica.objects.filter(state=ReplicaState.PULLING)
    for replica in rows.select_related("revision", "endpoint"):
        spec = replica.container
        found[replica.pk, replica.attempt] = Fetch(
            replica.endpoint_id,
            replica.endpoint.owner_id,
            spec.image,
            spec.build,
            spec.registry,
        )
    return found


def _row(key: Key) -> Replica | None:
    return (
        Replica.objects.filter(pk=key[0], attempt=key[1], state=ReplicaState.PULLING)
        .select_related("endpoint__owner", "revision__tier")
        .first()
    )


def _fetched(
    key: Key, info: ImageInfo, last: FetchProgress | None, took: float
) -> None:
    replica = _row(key)
    if replica is None:
        return
    if replica.container.build:
        steps = f"{last.total} steps, " if last and last.total else ""
        text = f"{steps}{progress.size(info.size)}"
        services.tell_once(replica, Reason.BUILT, text)
        return
    count = last.done if last and last.done else info.size
    layers = last.layers if last and last.layers else info.layers
    text = f"{progress.size(count)}, {layers} layer{'' if layers == 1 else 's'}"
    services.tell_once(replica, Reason.PULLED, text, seconds=round(took, 1))


def _failed(key: Key, error: EngineError) -> None:
    replica = _row(key)
    if replica is None:
        return
    verb = "built" if replica.container.build else "pulled"
    with transaction.atomic():
        fail(
            replica,
            Reason.IMAGE_FAILED,
            str(error),
            trouble=error.reason,
            tail=error.tail,
            verb=verb,
        )
