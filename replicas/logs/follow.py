"""Follows the output of every running container of ours.

A component of the worker: its event loop calls `sweep` every few seconds and whenever a
container started. A sweep compares what the database says is running with what is being
followed, so that a missed call costs seconds and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial

from endpoints import trail
from replicas.engine.base import EngineStreams
from replicas.logs.following import Following, Target
from replicas.logs.live_tail import LiveTail
from replicas.logs.records import Attempt
from replicas.logs.secrets import newest_change, sealed_of
from replicas.logs.state import StateFile
from replicas.logs.threads import in_thread
from replicas.logs.writer import Writer
from replicas.models import Replica
from replicas.states import ReplicaState

log = logging.getLogger(__name__)

# A log that is finished while the replica is said to run is looked at again.
_DOUBT_NS = 30_000_000_000
# How long a container nobody wants may go on before it is let go.
_LET_GO_SECONDS = 30.0
_RUNNING = {ReplicaState.STARTING, ReplicaState.READY, ReplicaState.UNHEALTHY}

Key = tuple[int, int, str]


class LogFollower:
    """Belongs to one event loop."""

    def __init__(self, streams: EngineStreams) -> None:
        self._streams = streams
        self._writer = Writer()
        self._tasks: dict[Key, tuple[Following, asyncio.Task[None]]] = {}
        self._unwanted: dict[Key, float] = {}
        self._live: dict[Key, LiveTail] = {}
        self._sweeping = asyncio.Lock()
        self._change: tuple[object, ...] = ()

    async def sweep(self) -> None:
        """Follow what should be followed; let go of what is gone."""
        async with self._sweeping:
            self._collect()
            targets = await in_thread(lambda: _targets(set(self._tasks)))
            for key in self._tasks.keys() - targets.keys():
                self._let_go(key)
            for key, target in targets.items():
                self._unwanted.pop(key, None)
                if target is not None and key not in self._tasks:
                    following = Following(target, self._streams, self._writer)
                    one = target.attempt
                    with trail.about(endpoint=one.endpoint_id, replica=one.replica_id):
                        task = asyncio.create_task(following.run())
                    self._tasks[key] = following, task
            await self._learn()
            await self._show_live()

    async def _learn(self) -> None:
        """Containers that run on may print what was changed after their start."""
        change = await in_thread(newest_change)
        if change == self._change:
            return
        self._change = change
        following = [one for one, _ in self._tasks.values() if one.masker is not None]
        for endpoint_id in {one.target.attempt.endpoint_id for one in following}:
            sealed = await in_thread(partial(sealed_of, endpoint_id))
            for one in following:
                if one.target.attempt.endpoint_id == endpoint_id:
                    one.learn(sealed)

    async def close(self) -> None:
        """Stop reading; what was read is on file when this returns."""
        tasks = [task for _, task in self._tasks.values()]
        for task in tasks:
            task.cancel()
        tails = [tail.stop() for tail in self._live.values()]
        await asyncio.gather(*tasks, *tails, return_exceptions=True)
        await self._writer.close()

    async def _show_live(self) -> None:
        """Lines being written, of those endpoints whose log somebody looks at."""
        following = {
            key: one
            for key, (one, task) in self._tasks.items()
            if one.masker is not None and not task.done()
        }
        watched = await self._writer.watched(
            {one.target.attempt.endpoint_id for one in following.values()}
        )
        wanted = {
            key: one
            for key, one in following.items()
            if one.target.attempt.endpoint_id in watched
        }
        for key in list(self._live):
            if key not in wanted or self._live[key].done:
                await self._live.pop(key).stop()
        for key, one in wanted.items():
            if key not in self._live and one.masker is not None:
                self._live[key] = LiveTail(
                    one.target.attempt,
                    one.target.container_id,
                    self._streams,
                    self._writer,
                    one.masker,
                )

    def _collect(self) -> None:
        for key, (_, task) in list(self._tasks.items()):
            if task.done():
                del self._tasks[key]
                if not task.cancelled() and (error := task.exception()):
                    log.error("Following %s failed", key[2][:12], exc_info=error)

    def _let_go(self, key: Key) -> None:
        """It ends by itself with its container; if it does not, end it."""
        following, task = self._tasks[key]
        following.unwanted = True
        since = self._unwanted.setdefault(key, time.monotonic())
        if time.monotonic() - since > _LET_GO_SECONDS:
            task.cancel()
            self._unwanted.pop(key)


def _targets(followed: set[Key]) -> dict[Key, Target | None]:
    """What should be followed; None stands for what already is."""
    running = Replica.objects.alive().filter(started_at__isnull=False)
    targets: dict[Key, Target | None] = {}
    for replica in running.exclude(container_id=""):
        key = (replica.pk, replica.attempt, replica.container_id)
        attempt = Attempt(
            replica.endpoint_id, replica.pk, replica.attempt, replica.number
        )
        if key in followed:
            targets[key] = None
        elif _unfinished(replica, attempt):
            sealed = sealed_of(replica.endpoint_id)
            targets[key] = Target(attempt, replica.container_id, sealed)
    return targets


def _unfinished(replica: Replica, attempt: Attempt) -> bool:
    finished_at = StateFile(attempt).read().finished_at
    if not finished_at:
        return True
    return replica.state in _RUNNING and time.time_ns() - finished_at > _DOUBT_NS
