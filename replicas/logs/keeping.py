"""How long logs are kept: a time, and room for all of them together.

Only logs of attempts that ended are packed and removed, the oldest first. A note stays
where a log was, so that the page can say when and why it went. What one log may take
while it is written, files.py sees to.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.conf import settings

from endpoints.models import Endpoint
from replicas.logs import files, store
from replicas.logs.records import Attempt
from replicas.logs.state import StateFile
from replicas.logs.stored import pack_file
from replicas.models import Replica
from replicas.states import ReplicaState

log = logging.getLogger(__name__)

_DAY_NS = 86_400_000_000_000
# A log nothing was written to for this long is packed.
_QUIET_NS = 600_000_000_000
_RUNNING = {ReplicaState.STARTING, ReplicaState.READY, ReplicaState.UNHEALTHY}


@dataclass
class Kept:
    """What was done, or would be: logs and bytes."""

    packed: int = 0
    removed: int = 0
    notes: int = 0
    freed: int = 0


@dataclass(frozen=True)
class _Log:
    attempt: Attempt
    modified: int
    room: int


def keep(now: int | None = None, *, dry_run: bool = False) -> Kept:
    """Pack and remove what is due. now: ns since the epoch."""
    now = time.time_ns() if now is None else now
    done = Kept()
    _forget_deleted(done, dry_run=dry_run)
    _forget_notes(done, now, dry_run=dry_run)
    logs = sorted(_logs(), key=lambda one: one.modified)
    for one in logs:
        if not files.packed_log_path(one.attempt).exists() and _is_quiet(one, now):
            _pack(one, done, dry_run=dry_run)
    oldest = now - settings.ALIGHT_LOG_DAYS * _DAY_NS
    most = settings.ALIGHT_LOG_TOTAL_MB * files.MB
    # Measured again: some were packed just now.
    logs = [replace(one, room=files.room(one.attempt)) for one in logs]
    taken = sum(one.room for one in logs)
    for one in logs:
        old = one.modified < oldest
        if (old or taken > most) and has_ended(one.attempt):
            taken -= one.room
            why = "age" if old else "room"
            _remove(one, why, now, done, dry_run=dry_run)
    return done


def _logs() -> Iterator[_Log]:
    for endpoint_id in files.endpoint_ids():
        for attempt in files.attempts(endpoint_id):
            yield _Log(attempt, files.modified(attempt), files.room(attempt))


def has_ended(attempt: Attempt) -> bool:
    """Nothing but a late line of ours will come to its log."""
    row = Replica.objects.filter(pk=attempt.replica_id).first()
    if row is not None and row.attempt == attempt.attempt and row.state in _RUNNING:
        return False
    return store.is_finished(attempt.replica_id, attempt.attempt)


def _is_quiet(one: _Log, now: int) -> bool:
    return one.modified < now - _QUIET_NS and has_ended(one.attempt)


def _pack(one: _Log, done: Kept, *, dry_run: bool) -> None:
    if not dry_run:
        try:
            pack_file(files.log_path(one.attempt))
        except OSError:
            log.warning("The log of %s was not packed", one.attempt, exc_info=True)
            return
    done.packed += 1
    done.freed += one.room - files.room(one.attempt) if not dry_run else 0


def _remove(one: _Log, why: str, now: int, done: Kept, *, dry_run: bool) -> None:
    if not dry_run:
        lines = files.last_number(one.attempt)
        try:
            StateFile(one.attempt).change(
                lambda known: replace(
                    known, removed_at=now, removed_why=why, lines=lines, sealed=()
                )
            )
        except OSError:
            # On a full disk room counts for more than saying where it was.
            log.warning("The removal of %s was not noted", one.attempt, exc_info=True)
        files.remove(one.attempt)
    done.removed += 1
    done.freed += one.room


# --- What nobody asks for any more -------------------------------------------
def _forget_deleted(done: Kept, *, dry_run: bool) -> None:
    """Folders of endpoints that are gone: a container may have written on a while."""
    known = set(Endpoint.objects.values_list("pk", flat=True))
    for endpoint_id in files.endpoint_ids():
        if endpoint_id in known:
            continue
        gone = files.attempts(endpoint_id)
        done.removed += len(gone)
        done.freed += sum(files.room(attempt) for attempt in gone)
        if not dry_run:
            store.forget(endpoint_id)


def _forget_notes(done: Kept, now: int, *, dry_run: bool) -> None:
    """Notes of logs that are gone, once their replica is history as well."""
    known = set(Replica.objects.values_list("pk", flat=True))
    logs = {one.attempt for one in _logs()}
    for attempt in files.noted():
        state = StateFile(attempt)
        if attempt in logs or attempt.replica_id in known or not state.is_old(now):
            continue
        done.notes += 1
        if not dry_run:
            state.remove()
