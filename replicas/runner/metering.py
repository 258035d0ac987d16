"""Looks what endpoints do: every two seconds what changes fast, every ten all of it.

On the clock's own tens, so that spans of two installations, or of a worker and the one
after it, lie alike.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from endpoints import keys
from endpoints.ingress import get_ingress
from endpoints.ingress.base import Answers, IngressUnreachable, Traffic
from replicas.engine.base import EngineError, EngineStreams, Usage
from replicas.metrics import fleet, rollup, snapshot, store
from replicas.metrics.collect import Collector, Counts, Look, Samples
from replicas.metrics.fleet import Fleet
from replicas.metrics.gpus import Driver, GpuNow
from replicas.metrics.series import STEPS
from replicas.runner.threads import in_slow_thread, in_thread

log = logging.getLogger(__name__)

SAMPLE = 2
STEP = STEPS[0]
# Seconds the engine has to say what containers use: a span is read soon after its end.
_PATIENCE = 2.5
# Seconds the driver has; one that hangs is left alone until it answers.
_DRIVER_PATIENCE = 1.0

Clock = Callable[[], float]


class Meter:
    """Runs until it is cancelled. While the ingress is away nothing is written; the
    first look after that counts what came between."""

    def __init__(self, streams: EngineStreams, clock: Clock = time.time) -> None:
        self._streams = streams
        self._clock = clock
        self._driver = Driver()
        self._asking: asyncio.Task[dict[str, GpuNow]] | None = None
        self._collector: Collector | None = None
        self._samples = Samples()
        self._sampled = clock()
        self._trouble = ""
        self._fleet = Fleet({}, ())

    async def run(self) -> None:
        try:
            while True:
                await self._attempt(self.step)
                now = self._clock()
                await asyncio.sleep(SAMPLE - now % SAMPLE)
        finally:
            self._driver.close()

    async def step(self) -> None:
        """What is due now: a sample, and a look when ten seconds are over."""
        if self._collector is None:
            self._collector = await in_thread(_resumed, self._clock())
        before = self._collector.before
        now = self._clock()
        gpus = await self._gpus()
        traffic, waiting = await in_thread(_flow)
        self._sample(now, traffic, waiting, gpus)
        # A clock that was put back begins anew.
        if before is None or not before.at <= now < (before.at // STEP + 1) * STEP:
            await self._look(self._collector, now, traffic, waiting, gpus)

    async def _attempt(self, act: Callable[[], Awaitable[None]]) -> None:
        try:
            await act()
        except IngressUnreachable as error:
            self._say(str(error))
        except Exception:
            log.exception("what endpoints do could not be measured")
        else:
            self._trouble = ""

    def _say(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            log.warning("Nothing is measured for now: %s", trouble)

    def _sample(
        self,
        now: float,
        traffic: dict[str, Traffic],
        waiting: dict[str, int],
        gpus: dict[str, GpuNow],
    ) -> None:
        seconds = now - self._sampled
        # After a sleep of the machine nobody knows what was.
        if 0 < seconds < 5 * SAMPLE:
            self._samples.add(seconds, traffic, waiting, gpus)
        self._sampled = now

    async def _look(
        self,
        collector: Collector,
        now: float,
        traffic: dict[str, Traffic],
        waiting: dict[str, int],
        gpus: dict[str, GpuNow],
    ) -> None:
        answers, callers = await in_thread(_answers)
        counts = Counts(answers, traffic, waiting)
        self._fleet = seen = await in_thread(fleet.look)
        samples, self._samples = self._samples, Samples()
        usages = await self._usages()
        look = await in_thread(
            _written, collector, now, counts, seen, samples, usages, gpus
        )
        # Only now: what could not be written is counted again by the next look.
        self._collector = look.next
        await in_thread(keys.note_use, callers)
        await in_thread(snapshot.write, look.seen)
        before = collector.before
        if before is None or now // STEPS[1] > before.at // STEPS[1]:
            await in_thread(_tidy, datetime.fromtimestamp(now, UTC))

    async def _usages(self) -> dict[str, Usage]:
        """By container, of those that could be told in time."""
        running = [one.container_id for one in self._fleet.members if one.runs]
        tasks = {one: asyncio.create_task(self._streams.usage(one)) for one in running}
        if not tasks:
            return {}
        _, late = await asyncio.wait(tasks.values(), timeout=_PATIENCE)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return {one: usage for one, task in tasks.items() if (usage := _of(task))}

    async def _gpus(self) -> dict[str, GpuNow]:
        uuids = {uuid for one in self._fleet.members for uuid in one.gpus}
        if not uuids:
            return {}
        if self._asking is None:
            asked = in_slow_thread(self._driver.look, uuids)
            self._asking = asyncio.ensure_future(asked)
        done, _ = await asyncio.wait({self._asking}, timeout=_DRIVER_PATIENCE)
        if not done:
            return {}
        asking, self._asking = self._asking, None
        try:
            return asking.result()
        except Exception:
            log.exception("what GPUs do could not be read")
            return {}


def _resumed(now: float) -> Collector:
    """A collector that counts on from what another one saw a moment ago."""
    before = snapshot.read(now)
    at = datetime.fromtimestamp(now, UTC)
    ids = list(fleet.look().ids.values())
    return Collector(before, store.ended(ids, STEP, at))


def _flow() -> tuple[dict[str, Traffic], dict[str, int]]:
    ingress = get_ingress()
    traffic = ingress.traffic()
    # Who waits is in flight: while nobody is, the dearer question is left out.
    some = any(one.in_flight for one in traffic.values())
    return traffic, ingress.waiting() if some else {}


def _answers() -> tuple[dict[str, Answers], dict[str, int]]:
    ingress = get_ingress()
    return ingress.answers(), ingress.callers()


def _of(task: asyncio.Task[Usage | None]) -> Usage | None:
    if task.cancelled():
        return None
    error = task.exception()
    if error is None:
        return task.result()
    if not isinstance(error, EngineError):
        log.error("what a container uses could not be read", exc_info=error)
    return None


def _written(
    collector: Collector,
    now: float,
    counts: Counts,
    seen: Fleet,
    samples: Samples,
    usages: dict[str, Usage],
    gpus: dict[str, GpuNow],
) -> Look:
    """The look at the span that has just ended, its points written."""
    took = {one.id: fleet.took(one) for one in collector.fresh_starts(seen, now)}
    look = collector.collect(now, counts, seen, samples, usages, took, gpus)
    at = datetime.fromtimestamp(now // STEP * STEP, UTC)
    store.write(STEP, at - timedelta(seconds=STEP), look.points)
    return look


def _tidy(now: datetime) -> None:
    rollup.roll_up(now)
    rollup.prune(now)
