"""Makes points of what the ingress and the engine count, one look after another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from endpoints.ingress.base import Answers, Traffic
from replicas.engine.base import Usage
from replicas.metrics.counting import (
    NO_ANSWERS,
    Levels,
    gained,
    gained_count,
    used,
)
from replicas.metrics.fleet import Fleet, Member
from replicas.metrics.gpus import GpuNow
from replicas.metrics.point import GpuUse, Level, Point, Start, Use
from replicas.metrics.snapshot import EndpointNow, ReplicaNow, Snapshot, Starts
from replicas.states import ReplicaState

_NONE = Traffic(0, 0)


@dataclass(frozen=True)
class Counts:
    """What the ingress tells of all endpoints at one moment, by name."""

    answers: Mapping[str, Answers]
    traffic: Mapping[str, Traffic]
    waiting: Mapping[str, int]


@dataclass
class Samples:
    """Levels between two looks: what is asked more often than the rest."""

    in_flight: Levels = field(default_factory=Levels)
    queued: Levels = field(default_factory=Levels)
    # By UUID.
    gpus: dict[str, GpuUse] = field(default_factory=dict)

    def add(
        self,
        seconds: float,
        traffic: Mapping[str, Traffic],
        waiting: Mapping[str, int],
        gpus: Mapping[str, GpuNow],
    ) -> None:
        """It was so for the last so many seconds."""
        flying = {name: one.in_flight for name, one in traffic.items()}
        self.in_flight.add(seconds, flying)
        self.queued.add(seconds, waiting)
        for uuid, now in gpus.items():
            known = seconds if now.busy is not None else 0.0
            use = GpuUse(
                known, (now.busy or 0.0) * known, now.used * seconds, now.total
            )
            self.gpus[uuid] = self.gpus.get(uuid, GpuUse()) + use


@dataclass(frozen=True)
class Look:
    """Points by endpoint id of those with something to tell, what is now, and who
    takes the next look: only once these points are kept, or they would be lost."""

    points: dict[int, Point]
    seen: Snapshot
    next: Collector


class Collector:
    """The look before, and who was told last that nothing goes on. Never changes.

    before: where to count on from; None makes the first look a baseline. ended: by
    endpoint id, whether its last row says so; those without a row are left out.
    told: starts, as replica and attempt, that may seem fresh and are not.
    """

    def __init__(
        self,
        before: Snapshot | None = None,
        ended: Mapping[int, bool] | None = None,
        usages: Mapping[str, Usage] | None = None,
        told: Collection[tuple[int, int]] = (),
    ) -> None:
        self.before = before
        self._ended = dict(ended or {})
        kept = _usages(before) if before else {}
        self._usages = kept if usages is None else dict(usages)
        self._told = frozenset(told)

    def fresh_starts(self, fleet: Fleet, now: float) -> list[Member]:
        """Those that became ready since the look before and were not told yet."""
        since = self.before.at if self.before else now
        return [
            member
            for member in fleet.members
            if member.ready_at is not None
            and member.ready_at.timestamp() >= since
            and (member.id, member.attempt) not in self._told
        ]

    def collect(
        self,
        now: float,
        counts: Counts,
        fleet: Fleet,
        samples: Samples,
        usages: Mapping[str, Usage],
        took: Mapping[int, float],
        gpus: Mapping[str, GpuNow],
    ) -> Look:
        """now: Unix time. usages: by container. took: seconds of each fresh start, by
        replica. gpus: by UUID."""
        before = self.before
        seen = _snapshot(now, counts, fleet, usages, gpus)
        starts = _starts(fleet, took)
        _count_starts(seen, before, starts)
        points: dict[int, Point] = {}
        if before is not None and now > before.at:
            every = self._points(seen, before, fleet, samples, usages, starts)
            points = self._worth(every)
        alive = {(one.id, one.attempt) for one in fleet.members}
        fresh = {(one.id, one.attempt) for one in self.fresh_starts(fleet, now)}
        told = (self._told & alive) | fresh
        there = set(fleet.ids.values())
        ended = {one: end for one, end in self._ended.items() if one in there}
        ended |= {endpoint_id: point.ended for endpoint_id, point in points.items()}
        return Look(points, seen, Collector(seen, ended, usages, told))

    def _points(
        self,
        seen: Snapshot,
        before: Snapshot,
        fleet: Fleet,
        samples: Samples,
        usages: Mapping[str, Usage],
        starts: Mapping[str, list[Start]],
    ) -> dict[int, Point]:
        seconds = seen.at - before.at
        by_name: dict[str, list[Member]] = defaultdict(list)
        for member in fleet.members:
            by_name[member.endpoint].append(member)
        found = {}
        for name, endpoint_id in fleet.ids.items():
            members = by_name.get(name, [])
            found[endpoint_id] = replace(
                _counted(seen.endpoints.get(name), before.endpoints.get(name), seconds),
                in_flight=_over(samples.in_flight.of(name), seconds),
                queued=_over(samples.queued.of(name), seconds),
                ready=_ready(members, seconds),
                uses=self._uses(members, usages, seconds),
                gpus=_gpu_uses(members, samples.gpus),
                starts=tuple(starts.get(name, ())),
                ended=_nothing_goes_on(members, seen.endpoints.get(name)),
            )
        return found

    def _uses(
        self, members: Iterable[Member], usages: Mapping[str, Usage], seconds: float
    ) -> dict[int, Use]:
        found = {}
        for member in members:
            now = usages.get(member.container_id) if member.runs else None
            if now is None:
                continue
            before = self._usages.get(member.container_id)
            if use := used(now, before, member.cores, seconds):
                found[member.number] = use
        return found

    def _worth(self, points: dict[int, Point]) -> dict[int, Point]:
        """Those that say something, and one that says that it is over."""
        return {
            endpoint_id: point
            for endpoint_id, point in points.items()
            if not point.silent or not self._ended.get(endpoint_id, True)
        }


def _snapshot(
    now: float,
    counts: Counts,
    fleet: Fleet,
    usages: Mapping[str, Usage],
    gpus: Mapping[str, GpuNow],
) -> Snapshot:
    seen = Snapshot(now)
    for name in fleet.ids:
        traffic = counts.traffic.get(name, _NONE)
        answers = counts.answers.get(name)
        waiting = counts.waiting.get(name, 0)
        if answers or waiting or traffic != _NONE:
            seen.endpoints[name] = EndpointNow(
                requests=traffic.requests,
                classes=list(answers.classes) if answers else [],
                buckets=list(answers.buckets) if answers else [],
                held=answers.held if answers else 0,
                in_flight=traffic.in_flight,
                queued=waiting,
            )
    seen.replicas = [_replica(one, usages, gpus) for one in fleet.members]
    return seen


def _replica(
    member: Member, usages: Mapping[str, Usage], gpus: Mapping[str, GpuNow]
) -> ReplicaNow:
    now = ReplicaNow(member.endpoint, member.number, member.state, member.container_id)
    usage = usages.get(member.container_id) if member.runs else None
    if usage is not None:
        now.at, now.cpu = usage.at.timestamp(), usage.cpu
        now.memory, now.limit = usage.memory, usage.limit
        now.received, now.sent = usage.received, usage.sent
    held = [gpus[uuid] for uuid in member.gpus if uuid in gpus]
    now.gpus = [(one.busy, one.used, one.total) for one in held]
    return now


def _usages(before: Snapshot) -> dict[str, Usage]:
    """By container, as they were kept."""
    return {
        one.container_id: Usage(
            datetime.fromtimestamp(one.at, UTC),
            one.cpu,
            one.memory,
            one.limit,
            one.received,
            one.sent,
        )
        for one in before.replicas
        if one.at
    }


def _counted(
    now: EndpointNow | None, before: EndpointNow | None, seconds: float
) -> Point:
    if now is None:
        return Point(seconds)
    earlier = before or EndpointNow()
    more = gained(now.answers or NO_ANSWERS, earlier.answers or NO_ANSWERS)
    return Point(
        seconds,
        requests=gained_count(now.requests, earlier.requests),
        classes=more.classes,
        buckets=more.buckets,
        held=more.held,
    )


def _over(level: Level, seconds: float) -> Level:
    """The same level for as long as the point lasts."""
    return Level(level.mean * seconds, seconds, level.most)


def _ready(members: Iterable[Member], seconds: float) -> Level:
    count = sum(member.state == ReplicaState.READY for member in members)
    return Level(count * seconds, seconds, count)


def _gpu_uses(
    members: Iterable[Member], sampled: Mapping[str, GpuUse]
) -> dict[int, GpuUse]:
    found = {}
    for member in members:
        held = [sampled[uuid] for uuid in member.gpus if uuid in sampled]
        if held and member.runs:
            found[member.number] = GpuUse(
                sum(one.seconds for one in held),
                sum(one.busy for one in held),
                sum(one.memory for one in held),
                sum(one.limit for one in held),
            )
    return found


def _nothing_goes_on(members: Iterable[Member], now: EndpointNow | None) -> bool:
    open_now = now is not None and bool(now.in_flight or now.queued)
    return not open_now and not any(member.runs for member in members)


def _starts(fleet: Fleet, took: Mapping[int, float]) -> dict[str, list[Start]]:
    found: dict[str, list[Start]] = defaultdict(list)
    ready = {m.id: (m.endpoint, m.ready_at) for m in fleet.members if m.ready_at}
    for member in fleet.members:
        if member.id not in took or member.ready_at is None:
            continue
        cold = not any(
            endpoint == member.endpoint and at < member.ready_at
            for replica_id, (endpoint, at) in ready.items()
            if replica_id != member.id
        )
        at = int(member.ready_at.timestamp())
        start = Start(at, took[member.id], member.number, cold)
        found[member.endpoint].append(start)
    return found


def _count_starts(
    seen: Snapshot, before: Snapshot | None, starts: Mapping[str, list[Start]]
) -> None:
    """Carry the counts of starts on, and add these."""
    for name, earlier in (before.endpoints if before else {}).items():
        if earlier.cold or earlier.warm:
            now = seen.endpoints.setdefault(name, EndpointNow())
            now.cold, now.warm = earlier.cold, earlier.warm
    for name, found in starts.items():
        now = seen.endpoints.setdefault(name, EndpointNow())
        for start in found:
            if start.cold:
                now.cold = now.cold or Starts()
                now.cold.add(start.seconds)
            else:
                now.warm = now.warm or Starts()
                now.warm.add(start.seconds)
