"""Moves of replicas, and the one wish people have about a single replica.

A move is a guarded update: it happens only from the state it was decided in, and only
the winner tells the story.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from endpoints import live, signals, timeline
from endpoints.holding import hold
from endpoints.models import Endpoint, Event
from endpoints.steps import REASONS, Reason, title
from replicas import progress
from replicas.logs import store
from replicas.models import Gpu, Node, Replica
from replicas.states import MOVES, ReplicaState


def tell(replica: Replica, reason: Reason, message: str = "", **data: Any) -> Event:
    """One line on the replica's timeline, and the same as a system line in its log."""
    event = timeline.record(
        replica.endpoint,
        reason,
        message,
        replica_id=replica.pk,
        attempt=replica.attempt,
        data={"number": replica.number, **data},
    )
    words = REASONS[reason]
    level = "error" if words.kind == "fail" else "warn" if words.warning else "info"
    text = f"{title(reason, event.data)}. {message}".strip()
    owner = (replica.endpoint_id, replica.pk, replica.attempt)

    def write() -> None:
        store.system(*owner, text, level=level)

    # Files and Valkey may be slow, and only one transaction at a time may write. What
    # fails here Django tells by its function's name, which a `partial` has not.
    transaction.on_commit(write, robust=True)
    return event


def tell_once(replica: Replica, reason: Reason, message: str = "", **data: Any) -> None:
    """`tell`, unless this attempt's story has that line: a step may be carried out
    again after a worker died in the middle of it."""
    told = Event.objects.filter(
        endpoint_id=replica.endpoint_id,
        replica_id=replica.pk,
        attempt=replica.attempt,
        reason=reason,
    )
    if not told.exists():
        tell(replica, reason, message, **data)


def move(replica: Replica, to: ReplicaState, **columns: Any) -> bool:
    """Move it, if it is still where we saw it. Updates `replica` when it worked."""
    was = ReplicaState(replica.state)
    if to not in MOVES[was]:
        raise ValueError(f"a replica does not move from {was} to {to}")
    now = timezone.now()
    changes = {"state": to, "since": now, **columns}
    won = Replica.objects.filter(
        pk=replica.pk, state=was, attempt=replica.attempt
    ).update(**changes)
    if not won:
        return False
    for name, value in changes.items():
        setattr(replica, name, value)
    transaction.on_commit(partial(progress.clear, replica.pk))
    live.changed(replica.endpoint_id, replica.endpoint.owner_id)
    return True


def note(replica: Replica, **columns: Any) -> bool:
    """Write observed columns without a move, under the same guard."""
    won = Replica.objects.filter(
        pk=replica.pk, state=replica.state, attempt=replica.attempt
    ).update(**columns)
    if won:
        for name, value in columns.items():
            setattr(replica, name, value)
        live.changed(replica.endpoint_id, replica.endpoint.owner_id)
    return bool(won)


def free_hardware(replica: Replica) -> bool:
    """Give its GPUs back. Only once its container was seen to be gone, and in a
    transaction."""
    hold(Node.objects.all())
    freed = Gpu.objects.filter(replica=replica).update(replica=None)
    if freed:
        live.hardware_changed()
    return bool(freed)


def restart(replica: Replica, actor: AbstractBaseUser) -> bool:
    """Ask for a fresh replica in its stead; it ends once the new one is ready.

    False when that was asked for before, or it has ended.
    """
    with transaction.atomic():
        won = (
            Replica.objects.alive()
            .filter(pk=replica.pk, retire=False)
            .exclude(state=ReplicaState.STOPPING)
            .update(retire=True)
        )
        if not won:
            return False
        _tell_restart(replica, f"Replica {replica.number}", actor)
    return True


def try_now(replica: Replica, actor: AbstractBaseUser) -> bool:
    """End its back-off: the next try is due. False when it does not wait for one."""
    now = timezone.now()
    with transaction.atomic():
        rows = Replica.objects.filter(
            pk=replica.pk, state=ReplicaState.FAILED, retry_at__gt=now
        )
        if not rows.update(retry_at=now):
            return False
        _tell_restart(replica, f"Replica {replica.number}, without waiting", actor)
    return True


def _tell_restart(replica: Replica, what: str, actor: AbstractBaseUser) -> None:
    """Somebody's wish about one replica: a line of the endpoint's story, and a look."""
    endpoint = Endpoint.objects.get(pk=replica.endpoint_id)
    timeline.record(endpoint, Reason.RESTARTED, what, actor=actor.get_username())
    signals.announce(endpoint.pk)
