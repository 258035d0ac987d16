"""Looks at every endpoint's traffic each second, and applies what the policy says."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from redis.exceptions import RedisError

from endpoints import sizing
from endpoints.ingress import get_ingress
from endpoints.ingress.base import IngressUnreachable, Traffic
from endpoints.models import Endpoint
from endpoints.schedule import InForce
from endpoints.steps import Reason
from replicas import lock
from replicas.models import Replica
from replicas.progress import duration
from replicas.scaling.idle import Crew, Memory, is_idle
from replicas.scaling.policy import Decision, Seen
from replicas.states import ReplicaState as S

log = logging.getLogger(__name__)

# How old `last_request_at` may be while requests go on: as much as a worker that dies
# forgets.
_WRITE_EVERY = timedelta(seconds=10)
_NONE = Traffic(0, 0)


@dataclass
class _Plan:
    """What was worked out `at` this time, for an endpoint with this `key`."""

    key: tuple[object, ...]
    force: InForce
    at: datetime

    def holds(self, now: datetime) -> bool:
        """Not after the next change, nor on a clock that was put back."""
        until = self.force.until
        return self.at <= now and (until is None or now < until)


class Scaler:
    """One for each worker; two beside each other do no harm.

    blind: whether the ingress did not answer at the last tick; only schedules were
    followed then. clock: seconds that nobody puts back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.blind = False
        self._clock = clock
        self._known: dict[int, Memory] = {}
        self._minimums: dict[int, _Plan] = {}
        self._troubled: set[tuple[int, type[Exception]]] = set()

    def tick(self, now: datetime) -> list[int]:
        """Decide for all. Returns endpoints to look at now."""
        changed = self._keep_minimums(now)
        try:
            traffic = get_ingress().traffic()
            self.blind = False
        except IngressUnreachable:
            self.blind = True
            return changed
        endpoints = _in_play(traffic)
        crews = _crews(endpoints)
        queued = _queued(endpoints, traffic)
        for endpoint in endpoints:
            seen = traffic.get(endpoint.name, _NONE)
            memory = self._known.setdefault(endpoint.pk, Memory())
            memory.note(endpoint, seen, now)
            crew = crews.get(endpoint.pk, Crew())
            with self._apart(endpoint):
                if self._decide(endpoint, memory, seen, crew, queued, now):
                    changed.append(endpoint.pk)
        self._forget({endpoint.pk for endpoint in endpoints})
        self._write_use(endpoints, now)
        return changed

    # -- one endpoint ----------------------------------------------------------------

    @contextmanager
    def _apart(self, endpoint: Endpoint) -> Iterator[None]:
        """What goes wrong for one is no trouble of the others; it is said once."""
        try:
            yield
        except IngressUnreachable:
            pass  # gone since the tick began: said at the next one
        except Exception as error:
            trouble = (endpoint.pk, type(error))
            if trouble not in self._troubled:
                log.exception("%s: its number of replicas stays", endpoint.name)
            self._troubled.add(trouble)

    def _decide(
        self,
        endpoint: Endpoint,
        memory: Memory,
        traffic: Traffic,
        crew: Crew,
        queued: Mapping[str, int],
        now: datetime,
    ) -> bool:
        if not endpoint.wanted_count:
            # The ingress knocks for requests that wait; here is what a knock missed.
            # What is open at a replica that ends is let finish, and wakes nothing.
            return bool(queued.get(endpoint.name)) and sizing.wake(endpoint)
        seen = Seen(
            in_flight=traffic.in_flight,
            wanted=endpoint.wanted_count,
            ready=crew.ready,
            minimum=endpoint.minimum,
            maximum=_most(endpoint),
            target=max(endpoint.concurrency, 1),
            idle_timeout=endpoint.idle_timeout,
            idle=is_idle(endpoint, memory, traffic, crew, now),
        )
        decision = memory.policy.look(self._clock(), seen)
        if decision.count == seen.wanted:
            return False
        if decision.count == 0:
            return _stop_last(endpoint, traffic)
        return sizing.resize(
            endpoint,
            decision.count,
            _why(endpoint, decision, seen),
            data={"in_flight": decision.in_flight, "target": seen.target},
        )

    # -- all of them -----------------------------------------------------------------

    def _keep_minimums(self, now: datetime) -> list[int]:
        """Write the minimum that schedule and warmth say. Ids of those changed."""
        changed = []
        told = Q(warm_until__gt=now) | Q(minimum_now__isnull=False)
        rows = Endpoint.objects.alive().filter(told | Q(windows__isnull=False))
        listed = list(rows.distinct().prefetch_related("windows"))
        for endpoint in listed:
            with self._apart(endpoint):
                force = self._force(endpoint, now)
                if force.minimum != endpoint.minimum_now and sizing.enforce_minimum(
                    endpoint, force
                ):
                    changed.append(endpoint.pk)
        for pk in self._minimums.keys() - {endpoint.pk for endpoint in listed}:
            del self._minimums[pk]
        return changed

    def _force(self, endpoint: Endpoint, now: datetime) -> InForce:
        """As `sizing.minimum_of`, kept until the clock or somebody changes it."""
        key = (
            endpoint.min_replicas,
            endpoint.warm_until,
            sizing.zone_of(endpoint),
            tuple(sizing.windows_of(endpoint)),
        )
        plan = self._minimums.get(endpoint.pk)
        if plan is None or plan.key != key or not plan.holds(now):
            plan = _Plan(key, sizing.minimum_of(endpoint, now), now)
            self._minimums[endpoint.pk] = plan
        return plan.force

    def _forget(self, kept: set[int]) -> None:
        for pk in self._known.keys() - kept:
            del self._known[pk]

    def _write_use(self, endpoints: Iterable[Endpoint], now: datetime) -> None:
        """Keep when each was used last, so that a new worker knows."""
        used: dict[datetime, list[int]] = {}
        for endpoint in endpoints:
            at = self._known[endpoint.pk].used_at
            if at is not None and _is_news(at, endpoint.last_request_at, now):
                used.setdefault(at, []).append(endpoint.pk)
        for at, pks in used.items():
            Endpoint.objects.filter(pk__in=pks).update(last_request_at=at)


def _is_news(at: datetime, kept: datetime | None, now: datetime) -> bool:
    """Whether to write `at`: now and then while requests go on, once when they end."""
    if kept is None or kept > now:
        return True
    return at > kept and (at - kept >= _WRITE_EVERY or now - at >= _WRITE_EVERY)


def _queued(
    endpoints: Iterable[Endpoint], traffic: Mapping[str, Traffic]
) -> Mapping[str, int]:
    """Who waits for a replica, by endpoint; asked only where somebody sleeps."""
    if not any(
        traffic.get(endpoint.name, _NONE).in_flight
        for endpoint in endpoints
        if not endpoint.wanted_count
    ):
        return {}
    try:
        return get_ingress().waiting()
    except IngressUnreachable:
        return {}


def _most(endpoint: Endpoint) -> int:
    """Its maximum, as far as the ingress has room for one endpoint's replicas.

    A minimum beyond that is what somebody asked for, and stays.
    """
    room = min(endpoint.max_replicas, settings.ALIGHT_INGRESS_SERVERS)
    return max(room, min(endpoint.minimum, endpoint.max_replicas))


def _in_play(traffic: Mapping[str, Traffic]) -> list[Endpoint]:
    """Endpoints that run, should run, or are asked for."""
    asked = [name for name, seen in traffic.items() if seen.in_flight]
    wanted = Q(target_count__gt=0) | Q(min_replicas__gt=0) | Q(minimum_now__gt=0)
    rows = Endpoint.objects.alive().filter(wanted | Q(name__in=asked), paused=False)
    return list(rows.defer("spec", "description"))


def _crews(endpoints: Iterable[Endpoint]) -> dict[int, Crew]:
    rows = Replica.objects.alive().exclude(state=S.STOPPING)
    rows = rows.filter(endpoint__in=[endpoint.pk for endpoint in endpoints])
    crews: dict[int, Crew] = {}
    columns = ("endpoint_id", "state", "attempt", "created_at", "ready_at")
    more = ("since", "started_at")
    for endpoint_id, *facts in rows.values_list(*columns, *more):
        crews.setdefault(endpoint_id, Crew()).add(*facts)
    return crews


def _stop_last(endpoint: Endpoint, before: Traffic) -> bool:
    """Let none run, unless a request has come since. Looks again under the lock, so
    that no pass works on it meanwhile; True: a pass has to follow."""
    try:
        with lock.held(endpoint.pk) as ours:
            if not ours:
                return False  # a pass is under way: at the next tick
            now = get_ingress().traffic().get(endpoint.name, _NONE)
            if not now.in_flight and now.requests == before.requests:
                idle = duration(endpoint.idle_timeout)
                text = f"No requests for {idle}."
                sizing.resize(endpoint, 0, text, reason=Reason.SLEPT)
    except RedisError:
        return False
    # Whoever found the lock taken left it to us to look.
    return True


def _why(endpoint: Endpoint, decision: Decision, seen: Seen) -> str:
    if seen.idle:
        return f"No requests for {duration(endpoint.idle_timeout)}."
    return f"{decision.in_flight} in flight, target {seen.target} each."
