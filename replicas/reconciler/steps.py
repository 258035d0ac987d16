"""What one replica needs next, by its state. Pure.

Each step looks at the replica's row, its container and the endpoint as a whole, and
answers with a verb, or with nothing and the moment to look again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from replicas.engine.base import Observed
from replicas.reconciler.actions import Limits, Plan, Verb
from replicas.reconciler.moments import AHEAD, due, told
from replicas.reconciler.snapshot import Owner, ReplicaFacts, Snapshot
from replicas.states import ReplicaState as S

# How long an exited container is kept for its last lines when nobody has read them.
LOG_GRACE = timedelta(seconds=15)
# A replica that was ready and has not answered for this long is started anew.
SILENT_LIMIT = timedelta(seconds=120)
# A replica that ran this long before it failed starts its back-off from the beginning.
STEADY = timedelta(minutes=10)
# Rows may have been written and read with fewer digits than the engine tells.
_SAME_START = timedelta(seconds=1)
_BACKOFF = (10, 20, 40, 80, 160, 300)


def backoff(failures: int) -> int:
    """Seconds until the next try after so many failures in a row: 10 … 300."""
    return _BACKOFF[min(max(failures, 1), len(_BACKOFF)) - 1]


def next_step(
    r: ReplicaFacts, c: Observed | None, w: Snapshot, now: datetime, li: Limits, p: Plan
) -> Verb | None:
    """What this replica needs now; nothing: when to look again is in the plan."""
    step = _gpu_lost if _lost_gpu(r) else STEPS[r.state]
    return step(r, c, w, now, li, p)


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
    if anew := _anew(r, c):
        return anew
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
    if anew := _anew(r, c):
        return anew
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


def _anew(r: ReplicaFacts, c: Observed) -> Verb | None:
    """What follows where it runs, but not as its row has it: somebody restarted it, or
    it has no address any more."""
    if not c.address:
        return "no_address"
    # Another container may have the old address by now.
    moved = r.address and r.address != c.address
    if not moved and not _again(r.started_at, c.started_at):
        return None
    return "adopt" if r.state is S.STARTING else "restarted"


def _again(noted: datetime | None, seen: datetime | None) -> bool:
    """Whether its container was started once more since that was noted."""
    if noted is None or seen is None:
        return False
    return abs(seen - noted) > _SAME_START


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
        limit = due(r.since, li.drain if has_to_go(r, w) else li.shrink, now)
        drained = not w.open_requests.get(r.id, 0) or now >= limit
        # Without its GPU it finishes nothing.
        if not drained and not r.gpu_lost:
            p.look_at(min(limit, now + _pause(now - r.since)))
            return None
    return _end_container(r, c, w, now, li, p)


def has_to_go(r: ReplicaFacts, w: Snapshot) -> bool:
    """Somebody wants its end, or another in its place: not only fewer."""
    wish = w.wish
    replaced = r.retire or r.revision != wish.revision
    return wish.paused or wish.deleting or replaced


def _pause(waited: timedelta) -> timedelta:
    """Until open requests are counted again: rarely for a socket that stays open."""
    return min(max(waited / 10, timedelta(seconds=1)), timedelta(seconds=10))


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
    return "remove" if was_read(c, (r.id, r.attempt), ended, w, now, p) else None


def was_read(
    c: Observed, owner: Owner, ended: datetime, w: Snapshot, now: datetime, p: Plan
) -> bool:
    if c.created or owner in w.logs_done:
        return True
    limit = due(ended, LOG_GRACE, now)
    if now >= limit:
        return True
    p.look_at(min(limit, now + timedelta(seconds=1)))
    return False


STEPS = {
    S.WAITING: _waiting,
    S.ASSIGNED: _assigned,
    S.PULLING: _pulling,
    S.STARTING: _starting,
    S.READY: _serving,
    S.UNHEALTHY: _serving,
    S.FAILED: _failed,
    S.STOPPING: _stopping,
}
