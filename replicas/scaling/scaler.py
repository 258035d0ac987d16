"""Looks at every endpoint's traffic each second, and applies what the policy says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Q
from redis.exceptions import RedisError

from endpoints import sizing
from endpoints.ingress import get_ingress
from endpoints.ingress.base import Traffic
from endpoints.models import Endpoint
from endpoints.schedule import InForce
from endpoints.steps import Reason
from replicas import lock
from replicas.models import Replica
from replicas.progress import duration
from replicas.scaling.policy import Decision, Policy, Seen
from replicas.states import ReplicaState as S

# How old `last_request_at` may be while requests go on: as much as a worker that dies
# forgets.
_WRITE_EVERY = timedelta(seconds=10)
_NONE = Traffic(0, 0)
_SERVING = (S.READY, S.UNHEALTHY)


@dataclass
class Crew:
    """An endpoint's replicas that are to serve, now or soon.

    coming: some are on their way up and have not failed yet. begun: since when the
    newest could have had a request.
    """

    ready: int = 0
    coming: bool = False
    begun: datetime | None = None

    def add(
        self, state: str, attempt: int, made: datetime, ready: datetime | None
    ) -> None:
        self.ready += state == S.READY
        self.coming |= attempt == 1 and state not in (*_SERVING, S.FAILED)
        # A container that came back after a crash is no news for the idle timeout.
        begun = ready if ready and attempt == 1 else made
        self.begun = begun if self.begun is None else max(self.begun, begun)


@dataclass
class Memory:
    """What was seen of an endpoint. requests: its counter; None before the first."""

    policy: Policy = field(default_factory=Policy)
    requests: int | None = None
    used_at: datetime | None = None


@dataclass
class _Plan:
    key: tuple[object, ...]
    force: InForce


class Scaler:
    """One for each worker; two beside each other do no harm."""

    def __init__(self) -> None:
        self._known: dict[int, Memory] = {}
        self._minimums: dict[int, _Plan] = {}

    def tick(self, now: datetime) -> list[int]:
        """Decide for all. Returns endpoints to look at now.

        Raises IngressUnreachable: without its numbers nothing is decided.
        """
        traffic = get_ingress().traffic()
        changed = self._keep_minimums(now)
        endpoints = _in_play(traffic)
        crews = _crews(endpoints)
        for endpoint in endpoints:
            seen = traffic.get(endpoint.name, _NONE)
            memory = self._known.setdefault(endpoint.pk, Memory())
            _note_use(memory, endpoint, seen, now)
            crew = crews.get(endpoint.pk, Crew())
            if self._decide(endpoint, memory, seen, crew, now):
                changed.append(endpoint.pk)
        self._forget({endpoint.pk for endpoint in endpoints})
        self._write_use(endpoints, traffic)
        return changed

    # -- one endpoint ----------------------------------------------------------------

    def _decide(
        self,
        endpoint: Endpoint,
        memory: Memory,
        traffic: Traffic,
        crew: Crew,
        now: datetime,
    ) -> bool:
        if not endpoint.wanted_count:
            # The ingress knocks for requests that wait; here is what a knock missed.
            return bool(traffic.in_flight) and sizing.wake(endpoint)
        seen = Seen(
            in_flight=traffic.in_flight,
            wanted=endpoint.wanted_count,
            ready=crew.ready,
            minimum=endpoint.minimum,
            maximum=endpoint.max_replicas,
            target=max(endpoint.concurrency, 1),
            idle_timeout=endpoint.idle_timeout,
            idle=_is_idle(endpoint, memory, traffic, crew, now),
        )
        decision = memory.policy.look(now.timestamp(), seen)
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
        if plan is None or plan.key != key or _over(plan.force, now):
            plan = _Plan(key, sizing.minimum_of(endpoint, now))
            self._minimums[endpoint.pk] = plan
        return plan.force

    def _forget(self, kept: set[int]) -> None:
        for pk in self._known.keys() - kept:
            del self._known[pk]

    def _write_use(
        self, endpoints: Iterable[Endpoint], traffic: Mapping[str, Traffic]
    ) -> None:
        """Keep when each was used last, so that a new worker knows."""
        used: dict[datetime, list[int]] = {}
        for endpoint in endpoints:
            at = self._known[endpoint.pk].used_at
            kept = endpoint.last_request_at
            if at is None or (kept is not None and at <= kept):
                continue
            over = not traffic.get(endpoint.name, _NONE).in_flight
            if over or kept is None or at - kept >= _WRITE_EVERY:
                used.setdefault(at, []).append(endpoint.pk)
        for at, pks in used.items():
            Endpoint.objects.filter(pk__in=pks).update(last_request_at=at)


def _over(force: InForce, now: datetime) -> bool:
    return force.until is not None and force.until <= now


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
    for endpoint_id, *facts in rows.values_list(*columns):
        crews.setdefault(endpoint_id, Crew()).add(*facts)
    return crews


def _note_use(memory: Memory, row: Endpoint, seen: Traffic, now: datetime) -> None:
    # A counter that began anew has another number too, unless nobody came.
    new = memory.requests is not None and seen.requests != memory.requests
    if seen.in_flight or (new and seen.requests):
        memory.used_at = now
    elif row.last_request_at and (
        memory.used_at is None or row.last_request_at > memory.used_at
    ):
        memory.used_at = row.last_request_at
    memory.requests = seen.requests


def _is_idle(
    endpoint: Endpoint, memory: Memory, seen: Traffic, crew: Crew, now: datetime
) -> bool:
    if seen.in_flight or crew.coming:
        return False
    known = [at for at in (memory.used_at, crew.begun) if at is not None]
    # One that has no replica yet is about to get one.
    since = max(known) if crew.begun else now
    return now - since >= timedelta(seconds=endpoint.idle_timeout)


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
