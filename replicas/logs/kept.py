"""Which attempts have a log, and what of it is kept."""

from __future__ import annotations

from dataclasses import dataclass

from replicas.logs import files, store
from replicas.logs.absent import cut_sentence, removed, sentence
from replicas.logs.records import Attempt


@dataclass(frozen=True)
class KeptLog:
    """begin, end: times of its first and last line (ns), 0 without one. first, last:
    their numbers. room: bytes of the disk. removed_at: ns, 0 while it is kept. note:
    what is not kept and why, "" when all is."""

    attempt: Attempt
    begin: int = 0
    end: int = 0
    first: int = 0
    last: int = 0
    room: int = 0
    removed_at: int = 0
    note: str = ""


def kept_logs(endpoint_id: int) -> list[KeptLog]:
    """Of every attempt that has, or had, a log, oldest first."""
    found = [
        KeptLog(
            one, last=state.lines, removed_at=state.removed_at, note=sentence(state)
        )
        for one, state in removed(endpoint_id)
    ]
    found += [_kept(one) for one in store.attempts(endpoint_id)]
    return sorted(found, key=lambda log: (log.attempt.replica_id, log.attempt.attempt))


def _kept(attempt: Attempt) -> KeptLog:
    first = next(files.blocks(attempt), [])
    last = files.last_records(attempt, 1)
    if not first or not last:
        return KeptLog(attempt)
    gone = first[0].n - 1
    return KeptLog(
        attempt,
        begin=first[0].at,
        end=last[-1].at,
        first=first[0].n,
        last=last[-1].n,
        room=files.room(attempt),
        note=cut_sentence(gone) if gone else "",
    )
