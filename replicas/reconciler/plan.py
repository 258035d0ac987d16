"""From the wish and the world to what to do next. Pure: no clock, no I/O.

`plan` is called again after its actions were carried out, until it has none; so each
action may be one small step. What each replica needs is in steps.py; here it is put
together, and how many there should be is decided.
"""

from __future__ import annotations

from datetime import datetime

from replicas.reconciler.actions import (
    Act,
    Add,
    Drop,
    Forget,
    Limits,
    Plan,
    Settle,
    StopRollout,
    Verb,
)
from replicas.reconciler.snapshot import ReplicaFacts, Snapshot
from replicas.reconciler.steps import has_to_go, next_step, was_read
from replicas.states import ReplicaState as S

# Places an endpoint has at most: one server of the ingress each.
PLACES = 8
# Troubles that may pass by themselves: a new revision is tried this often with them
# before it is given up, with all others once.
PASSING = frozenset(
    {
        "RegistryUnreachable",
        "RateLimited",
        "Killed",
        "DiskFull",
        "ContainerGone",
        "AddressLost",
        "EngineUnreachable",
        "EngineSlow",
        "ImageSlow",
        "GpuLost",
    }
)
PATIENCE = 3


def plan(world: Snapshot, now: datetime, limits: Limits) -> Plan:
    """What to do for one endpoint now."""
    result = Plan()
    back = _called_back(world)
    for replica in world.replicas:
        container = world.containers.get((replica.id, replica.attempt))
        verb: Verb | None = "call_back"
        if replica.id not in back:
            verb = next_step(replica, container, world, now, limits, result)
        if verb is not None:
            result.actions.append(Act(verb, replica, container))
    _drop_strays(world, now, result)
    if not _stop_rollout(world, result):
        _fit_count(world, back, result)
    nothing_left = not world.replicas and not world.containers
    if world.wish.deleting and nothing_left:
        result.actions.append(Forget())
    return result


def _drop_strays(w: Snapshot, now: datetime, p: Plan) -> None:
    """Containers of past attempts, or of replicas that are no more."""
    current = {(r.id, r.attempt) for r in w.replicas}
    for owner, container in w.containers.items():
        if owner in current:
            continue
        ended = container.finished_at or now
        if container.running or was_read(container, owner, ended, w, now, p):
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
        and not has_to_go(r, w)
        and container is not None
        and container.running
        and not container.paused
        and bool(container.address)
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
