"""The runner's loop: components that look at the database whenever the bell rings."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Protocol

import redis
from django.db import InterfaceError, OperationalError

from endpoints.valkey import async_valkey
from replicas import doorbell, tasks
from replicas.engine import open_streams
from replicas.logs.follow import LogFollower
from replicas.reconciler import loop
from replicas.runner.delivering import Deliverer
from replicas.runner.door import Door
from replicas.runner.fetching import Fetcher
from replicas.runner.finding import GpuFinder
from replicas.runner.isolating import Isolator
from replicas.runner.metering import Meter
from replicas.runner.probing import Prober
from replicas.runner.scaling import Autoscaler
from replicas.runner.sweeping import Sweeper
from replicas.runner.threads import in_slow_thread
from replicas.runner.volumes import VolumeKeeper
from replicas.runner.watching import Watcher

log = logging.getLogger(__name__)

# Seconds between looks when nobody rings.
_INTERVAL = 3.0
# Within this all processes have found a Valkey that came back.
_RETURN = 2.5


class Component(Protocol):
    async def sweep(self) -> None: ...
    async def close(self) -> None: ...


class Runner:
    """Runs until `stop` is set; then everything it began is ended in order."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self._bells: list[asyncio.Event] = []

    async def run(self) -> None:
        streams = open_streams()
        keeper = VolumeKeeper(streams)
        components: list[Component] = [
            Fetcher(streams),
            Prober(),
            GpuFinder(),
            Isolator(),
            LogFollower(streams),
            keeper,
            Deliverer(),
            Door(streams, keeper),
            Sweeper(),
        ]
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(self._listen()),
                    group.create_task(Watcher(streams).run()),
                    group.create_task(Autoscaler().run()),
                    group.create_task(Meter(streams).run()),
                    *(group.create_task(self._keep(part)) for part in components),
                ]
                await self.stop.wait()
                for helper in helpers:
                    helper.cancel()
        finally:
            # Also after a fall: what goes on by itself would be there twice.
            for part in components:
                await part.close()
            await streams.close()

    async def _keep(self, part: Component) -> None:
        bell = asyncio.Event()
        self._bells.append(bell)
        while True:
            bell.clear()
            try:
                await part.sweep()
            except Exception:
                log.exception("%s could not look", type(part).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_INTERVAL):
                    await bell.wait()

    async def _listen(self) -> None:
        """Rings at the doorbell, from this and other processes."""
        lost = False
        while True:
            client = async_valkey(silence=None)
            try:
                async with client.pubsub() as pubsub:
                    await pubsub.subscribe(doorbell.CHANNEL)
                    if lost:
                        await self._catch_up()
                        lost = False
                    async for message in pubsub.listen():
                        if message["type"] == "message":
                            self._ring()
            except redis.RedisError:
                if not lost:
                    log.warning("Valkey does not answer; looking every %s s", _INTERVAL)
                lost = True
            finally:
                with contextlib.suppress(redis.RedisError):
                    await client.aclose()
            await asyncio.sleep(1)

    async def _catch_up(self) -> None:
        """Looks and news were lost with Valkey: look at everything, tell everyone.

        The database may be away as well, just then: until both were done.
        """
        await asyncio.sleep(_RETURN)
        while True:
            try:
                await in_slow_thread(tasks.sweep)
                await in_slow_thread(loop.tell_everyone)
            except (OperationalError, InterfaceError):
                log.exception("what was lost with Valkey could not be made up for yet")
                await asyncio.sleep(_INTERVAL)
            else:
                return

    def _ring(self) -> None:
        for bell in self._bells:
            bell.set()
