"""From the wish and the world to what to do next. Pure: no clock, no I/O.

`plan` is called again after its actions were carried out, until it has none; so each
action may be one small step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from replicas.engine.base import Observed
from replicas.reconciler.moments import AHEAD, due, told
from replicas.reconciler.snapshot import Owner, ReplicaFacts, Snapshot
from replicas.states import ReplicaState as S

# Places an endpoint has at most: one server of the ingress each.
PLACES = 8
# How long an exited container is kept for its last lines when nobody has read them.
LOG_GRACE = timedelta(seconds=15)
# A replica that was ready and has not answered for this long is started anew.
SILENT_LIMIT = timedelta(seconds=120)
# A replica that ran this long before it failed starts its back-off from the beginning.
STEADY = timedelta(minutes=10)
# Troubles that may pass by themselves: a new revision is tried this often with them
# before it is given up, with all others once.
PASSING = frozenset(
    {
        "RegistryUnreachable",
        "RateLimited",
        "Killed",
        "DiskFull",
        "ContainerGone",
        "EngineUnreachable",
        "EngineSlow",
        "ImageSlow",
        "GpuLost",
    }
)
PATIENCE = 3
_BACKOFF = (10, 20, 40, 80, 160, 300)


def backoff(failures: int) -> int:
    """Seconds until the next try after so many failures in a row: 10 … 300."""
    return _BACKOFF[min(max(failures, 1), len(_BACKOFF)) - 1]


@dataclass(frozen=True)
class Add:
    """A new replica in this place."""

    number: int


@dataclass(frozen=True)
class Drop:
    """A container nobody owns any more."""

    container_id: str


@dataclass(frozen=True)
class Forget:
    """The endpoint's row: nothing of it is left."""


@dataclass(frozen=True)
class Settle:
    """This revision runs in full, or in as much as there is hardware for."""

    revision: int


@dataclass(frozen=True)
class StopRollout:
    """The revision cannot become ready: the one that ran before serves on."""

    revision: int
    fallback: int
    replica: ReplicaFacts


Verb = Literal[
    "assign",  # book hardware, or take a place in line
    "fetch",  # get the image
    "fetch_timeout",  # the image has not come in time
    "launch",  # create and start the container
    "adopt",  # a container of ours runs and the row does not know it yet
    "ready",  # it answered: let traffic in
    "silent",  # it stopped answering: keep traffic away
    "answering",  # it answers again
    "exited",  # its container ended by itself
    "gone",  # its container was taken away
    "timeout",  # it never answered in time
    "restart_silent",  # it has not answered for too long
    "gpu_lost",  # its GPU is gone: out of traffic, and another takes its place
    "retry",  # the back-off is over
    "retire",  # take it out of traffic and let it end
    "call_back",  # it is needed again and has not been asked to end: back into traffic
    "terminate",  # ask its container to end
    "kill",  # it did not end when asked
    "remove",  # its container ended and was read to its end
    "finish",  # nothing of it is left
]


@dataclass(frozen=True)
class Act:
    """One step for one replica."""

    verb: Verb
    replica: ReplicaFacts
    container: Observed | None = None


Action = Add | Act | Drop | Forget | Settle | StopRollout


@dataclass
class Plan:
    """Actions in order, and when to look again when nothing calls earlier."""

    actions: list[Action] = field(default_factory=list)
    again: datetime | None = None

    def look_at(self, when: datetime) -> None:
        self.again = when if self.again is None else min(self.again, when)


@dataclass(frozen=True)
class Limits:
    """How long things may take.

    drain: for open requests of a replica that has to go now. shrink: the same where
    only fewer are needed, and nobody waits for its end. fetch: for an image to come.
    """

    grace: timedelta
    drain: timedelta
    shrink: timedelta
    fetch: timedelta = timedelta(hours=6)


def plan(world: Snapshot, now: datetime, limits: Limits) -> Plan:
    """What to do for one endpoint now."""
    result = Plan()
    back = _called_back(world)
    for replica in world.replicas:
        container = world.containers.get((replica.id, replica.attempt))
        step = _gpu_lost if _lost_gpu(replica) else _STEPS[replica.state]
        if replica.id in back:
            step = _needed_again
        verb = step(replica, container, world, now, limits, result)
        if verb is not None:
            result.actions.append(Act(verb, replica, container))
    _drop_strays(world, now, result)
    if not _stop_rollout(world, result):
        _fit_count(world, back, result)
    nothing_left = not world.replicas and not world.containers
    if world.wish.deleting and nothing_left:
        result.actions.append(Forget())
    return result


# --- one replica --------------------------------------------------------------


def _waiting(
    r: ReplicaFacts, c: Observed | None, w: Snapshot, now: datetime, _: Limits, p: Plan
) -> Verb | None:
    return "assign"


def _assigned(
    r: ReplicaFacts, c: Observed | None, w: Snapshot, now: datetime, _: Limits, p: Plan
) -> Verb | None:
    return "launch" if r.revision in w.images else "fetch"


def _pulling(
    r: ReplicaFacts, c: Observed | None, w: Snapshot, now: datetime, li: Limits, p: Plan
) -> Verb | None:
    # The runner pulls; it calls when it is done or has failed.
    if r.revision in w.images:
        return "launch"
    deadline = due(r.since, li.fetch, now)
    if now >= deadline:
        return "fetch_timeout"
    p.look_at(deadline)
    return None


def _starting(
    r: ReplicaFacts, c: Observed | None, w: Snapshot, now: datetime, _: Limits, p: Plan
) -> Verb | None:
    if c is None:
        return "gone" if r.started_at else "launch"
    if c.created:
        return "launch"
    if not c.running:
        return "exited"
    if r.started_at is None:
        return "adopt"
    if r.answered_at is not None:
        return "ready"
    begun = told(r.started_at, r.since, now)
    deadline = due(begun, timedelta(seconds=w.wish.start_timeout), now)
    if now >= deadline:
        return "timeout"
    p.look_at(deadline)
    return None


def _serving(
    r: ReplicaFacts, c: Observed | None, w: Snapshot, now: datetime, _: Limits, p: Plan
) -> Verb | None:
    if c is None:
        return "gone"
    if not c.running:
        return "exited"
    if c.paused:
        # Somebody's wish: it is left alone, and out of traffic, until it goes on.
        return "silent" if r.state is S.READY else None
    if r.silent_since is None:
        return "answering" if r.state is S.UNHEALTHY else None
    if r.state is S.READY:
        return "silent"
    deadline = due(r.silent_since, SILENT_LIMIT, now)
    if now >= deadline:
        return "restart_silent"
    p.look_at(deadline)
    return None


def _failed(
    r: ReplicaFacts, c: Observed | None, w: Snapshot, now: datetime, li: Limits, p: Plan
) -> Verb | None:
    if c is not None:
        return _end_container(r, c, w, now, li, p)
    longest = now + timedelta(seconds=backoff(r.failures)) + AHEAD
    if r.retry_at is None or now >= r.retry_at or r.retry_at > longest:
        return "retry"
    p.look_at(r.retry_at)
    return None


def _lost_gpu(r: ReplicaFacts) -> bool:
    return r.gpu_lost and r.state is not S.STOPPING


def _gpu_lost(
    r: ReplicaFacts, c: Observed | None, w: Snapshot, now: datetime, _: Limits, p: Plan
) -> Verb | None:
    return "gpu_lost"


def _stopping(
    r: ReplicaFacts, c: Observed | None, w: Snapshot, now: datetime, li: Limits, p: Plan
) -> Verb | None:
    if c is None:
        return "finish"
    if c.running and r.end_asked_at is None:
        limit = due(r.since, li.drain if _has_to_go(r, w) else li.shrink, now)
        drained = not w.open_requests.get(r.id, 0) or now >= limit
        # Without its GPU it finishes nothing.
        if not drained and not r.gpu_lost:
            p.look_at(min(limit, now + _pause(now - r.since)))
            return None
    return _end_container(r, c, w, now, li, p)


def _has_to_go(r: ReplicaFacts, w: Snapshot) -> bool:
    """Somebody wants its end, or another in its place: not only fewer."""
    wish = w.wish
    replaced = r.retire or r.revision != wish.revision
    return wish.paused or wish.deleting or replaced


def _pause(waited: timedelta) -> timedelta:
    """Until open requests are counted again: rarely for a socket that stays open."""
    return min(max(waited / 10, timedelta(seconds=1)), timedelta(seconds=10))


def _needed_again(
    r: ReplicaFacts, c: Observed | None, w: Snapshot, now: datetime, _: Limits, p: Plan
) -> Verb | None:
    return "call_back"


def _end_container(
    r: ReplicaFacts, c: Observed, w: Snapshot, now: datetime, li: Limits, p: Plan
) -> Verb | None:
    """Ask it to end, insist after the grace time, remove it once it was read."""
    if c.running:
        if r.end_asked_at is None:
            return "terminate"
        deadline = due(r.end_asked_at, li.grace, now)
        if now >= deadline:
            return "kill"
        p.look_at(deadline)
        return None
    ended = told(c.finished_at or now, r.since, now)
    return "remove" if _was_read(c, (r.id, r.attempt), ended, w, now, p) else None


def _was_read(
    c: Observed, owner: Owner, ended: datetime, w: Snapshot, now: datetime, p: Plan
) -> bool:
    if c.created or owner in w.logs_done:
        return True
    limit = due(ended, LOG_GRACE, now)
    if now >= limit:
        return True
    p.look_at(min(limit, now + timedelta(seconds=1)))
    return False


_STEPS = {
    S.WAITING: _waiting,
    S.ASSIGNED: _assigned,
    S.PULLING: _pulling,
    S.STARTING: _starting,
    S.READY: _serving,
    S.UNHEALTHY: _serving,
    S.FAILED: _failed,
    S.STOPPING: _stopping,
}


# --- the endpoint as a whole ----------------------------------------------------


def _drop_strays(w: Snapshot, now: datetime, p: Plan) -> None:
    """Containers of past attempts, or of replicas that are no more."""
    current = {(r.id, r.attempt) for r in w.replicas}
    for owner, container in w.containers.items():
        if owner in current:
            continue
        ended = container.finished_at or now
        if container.running or _was_read(container, owner, ended, w, now, p):
            p.actions.append(Drop(container.id))


def _stop_rollout(w: Snapshot, p: Plan) -> bool:
    """Whether the wanted revision is given up for the one that ran before it."""
    wish = w.wish
    if wish.settled or wish.fallback is None:
        return False
    for r in w.replicas:
        # One that was ready has shown that its revision can be.
        final = r.failures >= PATIENCE or (
            r.ready_at is None and r.trouble not in PASSING
        )
        if r.state is S.FAILED and r.revision == wish.revision and final:
            p.actions.append(StopRollout(wish.revision, wish.fallback, r))
            return True
    return False


def _called_back(w: Snapshot) -> frozenset[int]:
    """Replicas on their way out that can serve on in place of new ones.

    Those with the most open requests, which would take longest to end.
    """
    fresh = [r for r in _alive(w) if r.revision == w.wish.revision and not r.retire]
    missing = w.wish.wanted - len(fresh)
    if missing <= 0 or len(fresh) < len(_alive(w)):
        return frozenset()
    able = [r for r in w.replicas if _can_serve_on(r, w)]
    able.sort(key=lambda r: (-w.open_requests.get(r.id, 0), r.number))
    return frozenset(r.id for r in able[:missing])


def _can_serve_on(r: ReplicaFacts, w: Snapshot) -> bool:
    container = w.containers.get((r.id, r.attempt))
    return (
        r.state is S.STOPPING
        and r.ready_at is not None
        and r.silent_since is None
        and r.end_asked_at is None
        and not r.gpu_lost
        and not _has_to_go(r, w)
        and container is not None
        and container.running
        and not container.paused
    )


def _alive(w: Snapshot) -> list[ReplicaFacts]:
    return [r for r in w.replicas if r.state is not S.STOPPING and not r.gpu_lost]


def _fit_count(w: Snapshot, back: frozenset[int], p: Plan) -> None:
    """Add what is missing, retire what is too many or out of date.

    A change moves over one replica at a time: the new one is ready before an old one
    goes, unless the new one waits for nothing but the hardware that the old one holds.
    """
    alive = _alive(w)
    fresh = [r for r in alive if r.revision == w.wish.revision and not r.retire]
    given_up = [r for r in alive if _given_up(r, w)]
    stale = [r for r in alive if r not in fresh and r not in given_up]
    wanted = w.wish.wanted
    p.actions.extend(Act("retire", replica) for replica in given_up)

    def least_missed(r: ReplicaFacts) -> tuple[int, int, int]:
        value, number = stop_order(r)
        return (value, w.open_requests.get(r.id, 0), number)

    for replica in sorted(fresh, key=least_missed)[: max(0, len(fresh) - wanted)]:
        p.actions.append(Act("retire", replica))

    ready = sum(r.state is S.READY for r in fresh)
    # Those that go anyway give back their hardware too.
    short = max((r.short for r in fresh), default=0) - len(given_up)
    taken = {r.number for r in w.replicas}
    free = [n for n in range(1, PLACES + 1) if n not in taken]
    crowded = int(not free and len(fresh) < wanted)
    keep = max(0, wanted - ready - crowded)
    drop = max(0, len(stale) - keep, short)
    for replica in sorted(stale, key=stop_order)[:drop]:
        p.actions.append(Act("retire", replica))

    missing = wanted - len(fresh) - len(back)
    if stale and missing > 0:
        coming = sum(r.state is not S.READY for r in fresh)
        missing = min(missing, 1 - coming)
    p.actions.extend(Add(number) for number in free[: max(0, missing)])
    if not w.wish.settled and not stale and _runs_in_full(fresh, w):
        p.actions.append(Settle(w.wish.revision))


def _given_up(r: ReplicaFacts, w: Snapshot) -> bool:
    """It failed, and somebody asked for a fresh one in its stead or nobody waits for
    its revision any more: it would be tried again and again where it serves nobody, and
    its endpoint would be called failed."""
    wish = w.wish
    waits = r.revision == wish.fallback and not wish.settled
    over = r.retire or (r.revision != wish.revision and not waits)
    return r.state is S.FAILED and over


def _runs_in_full(fresh: list[ReplicaFacts], w: Snapshot) -> bool:
    """As many are ready as are wanted, or, where all others only stand in line for
    hardware, as many as run without traffic."""
    wanted = w.wish.wanted
    ready = sum(r.state is S.READY for r in fresh)
    if not wanted or ready >= wanted:
        return wanted > 0
    in_line = sum(r.state is S.WAITING for r in fresh)
    enough = ready >= max(1, w.wish.minimum)
    return enough and len(fresh) >= wanted and ready + in_line == len(fresh)


_VALUE = {S.READY: 3, S.UNHEALTHY: 2, S.STARTING: 1, S.PULLING: 1, S.ASSIGNED: 1}


def stop_order(replica: ReplicaFacts) -> tuple[int, int]:
    """First to go: what serves nobody, then the highest number."""
    return (_VALUE.get(replica.state, 0), -replica.number)
