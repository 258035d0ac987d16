"""Asks replicas whether they answer: before they are ready, and ever after.

Without a health check that is a TCP connect to the container's own address and never
an HTTP request: some web UIs die of one while they start. With one, it is a 200.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import aiohttp
from django.db.models import QuerySet
from django.utils import timezone

from endpoints import live
from endpoints.models import Endpoint
from replicas import ports, progress
from replicas.engine.contexts import resolve
from replicas.models import Replica
from replicas.runner.jobs import Jobs
from replicas.runner.looking import look
from replicas.runner.threads import in_slow_thread, in_thread
from replicas.states import ReplicaState as S

log = logging.getLogger(__name__)

# Seconds one question may take.
_PATIENCE = 5.0
# Once ready, asked every so many seconds; this many misses take it out of traffic.
INTERVAL = 5.0
MISSES = 3
# Ports are looked up this long after the start when nothing has answered.
_LOOK_AT_PORTS = 10.0


@dataclass(frozen=True)
class Probe:
    """What to ask, and what is known of the replica."""

    endpoint_id: int
    address: str
    port: int
    path: str
    container_id: str
    image: str
    starting: bool


class Key(NamedTuple):
    """Which start of which replica is asked. With the state: another worker's verdict
    begins the asking anew.

    What is heard at a former address, or was before a restart, is no answer of it.
    """

    replica: int
    attempt: int
    state: str
    address: str
    started_at: datetime | None

    def rows(self) -> QuerySet[Replica]:
        """Its row, unless it is another start by now."""
        return Replica.objects.filter(
            pk=self.replica,
            attempt=self.attempt,
            address=self.address,
            started_at=self.started_at,
        )


def pauses(slow: float) -> Iterator[float]:
    """Seconds between tries while starting: quick at first, then every `slow`.

    Each is a thirtieth of the time that has passed, so that whoever waits for the
    answer waits little longer than the start takes.
    """
    pause = 0.02
    while True:
        yield pause
        pause = min(slow, pause * 1.03125)


class Prober:
    def __init__(self) -> None:
        self._jobs: Jobs[Key, Probe] = Jobs(self._probe)
        self._http: aiohttp.ClientSession | None = None

    async def sweep(self) -> None:
        self._jobs.fit(await in_thread(_wanted))

    async def close(self) -> None:
        await self._jobs.close()
        if self._http is not None:
            await self._http.close()

    async def _probe(self, key: Key, probe: Probe) -> None:
        if probe.starting:
            await self._until_it_answers(key, probe)
        else:
            await self._as_long_as_it_serves(key, probe)

    async def _until_it_answers(self, key: Key, probe: Probe) -> None:
        slow = 5.0 if probe.path else 2.0
        begun = told = time.monotonic()
        hint, looked = ports.Heard(), 0.0
        for tries, pause in enumerate(pauses(slow), start=1):
            heard = await self._ask(probe)
            if not heard:
                if await in_thread(_answered, key, probe.endpoint_id, tries):
                    await look(probe.endpoint_id)
                return
            now = time.monotonic()
            other = False
            if heard.isdigit():
                hint = ports.Heard()  # the port is right
            elif now - max(begun, looked) >= _LOOK_AT_PORTS:
                before, looked = hint, now
                hint = await in_slow_thread(_listens, probe)
                other = hint.ports != before.ports
            if other or now - told >= 1.0:
                told = now
                seen = starting_progress(key.replica, probe, tries, pause, heard, hint)
                await in_thread(progress.write, probe.endpoint_id, seen)
            if other:
                # Pages have a button for it, which progress alone does not draw.
                await in_thread(_tell_pages, probe.endpoint_id)
            await asyncio.sleep(pause)

    async def _as_long_as_it_serves(self, key: Key, probe: Probe) -> None:
        # None: what an earlier worker wrote is not known. Only a change is written.
        misses, written = 0, None
        while True:
            misses = misses + 1 if await self._ask(probe) else 0
            silent = misses >= MISSES
            if silent != written and misses in (0, MISSES):
                written = silent
                if await in_thread(_silent, key, silent) or silent:
                    await look(probe.endpoint_id)
            await asyncio.sleep(INTERVAL)

    async def _ask(self, probe: Probe) -> str:
        """ "" when it answers, else what was heard instead."""
        if probe.path:
            return await self._ask_http(probe)
        try:
            async with asyncio.timeout(_PATIENCE):
                _, writer = await asyncio.open_connection(probe.address, probe.port)
        except TimeoutError:
            return "no answer"
        except OSError:
            return "nothing listens"
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return ""

    async def _ask_http(self, probe: Probe) -> str:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=_PATIENCE),
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                auto_decompress=False,
            )
        url = f"http://{probe.address}:{probe.port}{probe.path}"
        try:
            async with self._http.get(url, allow_redirects=False) as answer:
                return "" if answer.status == 200 else str(answer.status)
        except TimeoutError:
            return "no answer"
        except (aiohttp.ClientError, OSError, ValueError):
            return "nothing listens"


def starting_progress(
    replica_id: int,
    probe: Probe,
    tries: int,
    pause: float,
    heard: str,
    hint: ports.Heard,
) -> progress.Progress:
    """The sentence under "Waiting for … to answer" (GUIDE §5)."""
    every = f", every {pause:.0f} s" if pause >= 1 else ""
    text = f"Tried {tries} times{every}."
    if hint.text:
        text += f" {hint.text}"
    elif probe.path:
        text += f" Last answer: {heard}."
    else:
        text += " No health check is set, so an open port counts as ready."
    return {
        "replica": replica_id,
        "state": "starting",
        "text": text,
        "heard": heard,
        "ports": list(hint.ports),
    }


def _listens(probe: Probe) -> ports.Heard:
    return ports.look(probe.container_id, probe.port, probe.image)


def _tell_pages(endpoint_id: int) -> None:
    rows = Endpoint.objects.filter(pk=endpoint_id)
    for owner in rows.values_list("owner_id", flat=True):
        live.changed(endpoint_id, owner)


def _wanted() -> dict[Key, Probe]:
    found: dict[Key, Probe] = {}
    rows = Replica.objects.filter(state__in=[S.STARTING, S.READY, S.UNHEALTHY])
    for replica in rows.exclude(address="").select_related("revision"):
        starting = replica.state == S.STARTING
        if starting and replica.answered_at is not None:
            continue
        spec = replica.container
        key = Key(
            replica=replica.pk,
            attempt=replica.attempt,
            state=replica.state,
            address=replica.address,
            started_at=replica.started_at,
        )
        found[key] = Probe(
            endpoint_id=replica.endpoint_id,
            address=replica.address,
            port=spec.port,
            path=spec.health_path,
            container_id=replica.container_id,
            image=resolve(spec.image, spec.build),
            starting=starting,
        )
    return found


def _answered(key: Key, endpoint_id: int, tries: int) -> bool:
    """Write the observation; the reconciler makes it ready."""
    seen: progress.Progress = {
        "replica": key.replica,
        "state": "starting",
        "tries": tries,
    }
    progress.write(endpoint_id, seen)
    rows = key.rows().filter(state=S.STARTING, answered_at=None)
    return bool(rows.update(answered_at=timezone.now()))


def _silent(key: Key, silent: bool) -> bool:
    rows = key.rows().filter(state__in=[S.READY, S.UNHEALTHY])
    if silent:
        return bool(rows.filter(silent_since=None).update(silent_since=timezone.now()))
    return bool(rows.exclude(silent_since=None).update(silent_since=None))
