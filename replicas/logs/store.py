"""Logs for the rest of the house: what was written, by whom, since when.

system        adds a line of ours ("Pulling image") to a replica's log
tail          the newest lines of an endpoint, in time order
read          lines of a span of time, for the API
text          everything as plain text, for the download
is_finished   an ended container's whole log is on file: it may be removed
forget        the endpoint is deleted
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import re
import time
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from django.conf import settings

from replicas.logs import feed, files
from replicas.logs.absent import Absent, absences
from replicas.logs.records import Attempt, Draft, Line, Record, flags, lines
from replicas.logs.secrets import masker_for
from replicas.logs.state import StateFile, log_file
from replicas.models import Replica

__all__ = [
    "attempts",
    "forget",
    "is_finished",
    "iter_text",
    "mark_finished",
    "masker_for",
    "nanoseconds",
    "newest",
    "read",
    "strip_escapes",
    "system",
    "tail",
    "text_stream",
]

log = logging.getLogger(__name__)

_NS = 1_000_000_000
# What a terminal acts on instead of showing it.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


# --- Writing -----------------------------------------------------------------
def system(
    endpoint_id: int, replica_id: int, attempt: int, text: str, level: str = "info"
) -> None:
    """Add a line of ours, secrets masked. Never raises for a full disk."""
    owner = Attempt(endpoint_id, replica_id, attempt)
    letters = flags("system", level)
    at = time.time_ns()
    masker = masker_for(endpoint_id)
    said = masker.mask(masker.mask_drawn(text).replace("\r", "\n"))
    drafts = [Draft(at, letters, part) for part in said.split("\n") if part.strip()]
    if not drafts:
        return
    try:
        file = log_file(owner)
        try:
            _, block = file.append(drafts)
        finally:
            file.close()
    except OSError:
        log.warning("A line of replica %s was not written", replica_id, exc_info=True)
        return
    feed.publish(owner, block)


def mark_finished(endpoint_id: int, replica_id: int, attempt: int) -> None:
    """Nothing more will come from this attempt's container."""
    file = StateFile(Attempt(endpoint_id, replica_id, attempt))
    file.change(lambda known: replace(known, finished_at=time.time_ns()))


def is_finished(replica_id: int, attempt: int) -> bool:
    """Whether an ended container may be removed: its whole log is on file.

    Also true where nobody will ever follow it: it was never started, or its row is
    gone or has gone on to another attempt.
    """
    row = Replica.objects.filter(pk=replica_id).first()
    if row is None or (row.attempt == attempt and row.started_at is None):
        return True
    state = StateFile(Attempt(row.endpoint_id, replica_id, attempt))
    if state.read().finished_at:
        return True
    if row.attempt == attempt or not state.take_lease():
        return False
    state.release()
    return True


def forget(endpoint_id: int) -> None:
    files.forget(endpoint_id)
    feed.forget(endpoint_id)


# --- Reading -----------------------------------------------------------------
def attempts(
    endpoint_id: int, replica_ids: Collection[int] | None = None
) -> list[Attempt]:
    """Those with a log, oldest first; of these replicas only, where given."""
    rows = Replica.objects.filter(endpoint_id=endpoint_id)
    numbers = dict(rows.values_list("pk", "number"))
    return [
        replace(attempt, number=numbers.get(attempt.replica_id, 0))
        for attempt in files.attempts(endpoint_id)
        if replica_ids is None or attempt.replica_id in replica_ids
    ]


def tail(
    endpoint_id: int,
    limit: int | None = None,
    *,
    replica_ids: Collection[int] | None = None,
) -> list[Line]:
    """The newest `limit` lines (ALIGHT_LOG_TAIL if None) of all attempts together."""
    most = settings.ALIGHT_LOG_TAIL if limit is None else limit
    return newest(attempts(endpoint_id, replica_ids), most)


def newest(
    of: Collection[Attempt], limit: int, *, after: dict[str, int] | None = None
) -> list[Line]:
    """The newest `limit` lines of these attempts, in time order.

    after: numbers to begin behind, by `Attempt.key`.
    """
    behind = after or {}
    found: list[Line] = []
    for attempt in sorted(of, key=files.modified, reverse=True):
        if len(found) >= limit and files.modified(attempt) < found[0].at:
            break  # the others were written last before what we have begins
        records = files.last_records(attempt, limit, after=behind.get(attempt.key, 0))
        found = _merged([found, lines(attempt, records)])[-limit:]
    return found


def read(
    endpoint_id: int,
    *,
    begin: datetime | None = None,
    end: datetime | None = None,
    max_lines: int = 1000,
    replica_id: int | None = None,
    attempt: int | None = None,
) -> list[Line]:
    """Lines from `begin` (inclusive) to `end` (exclusive), in time order.

    At most `max_lines`: the first ones from `begin`, or without it the newest.
    """
    wanted = _chosen(endpoint_id, replica_id, attempt)
    until = nanoseconds(end)
    if begin is None:
        return _merged([_before(a, until, max_lines) for a in wanted])[-max_lines:]
    since = nanoseconds(begin) or 0
    return _merged([_from(a, since, until, max_lines) for a in wanted])[:max_lines]


def _chosen(
    endpoint_id: int, replica_id: int | None, attempt: int | None
) -> list[Attempt]:
    found = attempts(endpoint_id, None if replica_id is None else {replica_id})
    return [one for one in found if attempt in (None, one.attempt)]


def iter_text(
    endpoint_id: int,
    *,
    begin: datetime | None = None,
    end: datetime | None = None,
    replica_id: int | None = None,
    attempt: int | None = None,
) -> Iterator[str]:
    """Every line of every attempt as plain text, attempt by attempt, in pieces.

    begin: inclusive; end: exclusive; of one replica and one of its attempts, where
    given. Each line is its time, replica, source and text without escapes; a line
    beginning with # names the attempt, or says what is not kept any more. Asks the
    database now and never again.
    """
    wanted = _chosen(endpoint_id, replica_id, attempt)
    gone = absences(endpoint_id, wanted) if begin is None else []
    return _text_of(wanted, gone, nanoseconds(begin) or 0, nanoseconds(end))


def text_stream(pieces: Iterator[str]) -> AsyncIterator[bytes]:
    """`iter_text` for a streaming response: read in a thread, as fast as it is sent."""
    return _threaded(pieces)


async def _threaded(pieces: Iterator[str]) -> AsyncIterator[bytes]:
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece.encode()


def _text_of(
    of: list[Attempt], gone: list[Absent], since: int, until: int | None
) -> Iterator[str]:
    for one in gone:
        who = "" if one.attempt is None else f"{_called(one.attempt)}: "
        yield f"# {who}{one.text}\n"
    for attempt in of:
        yield f"# {_called(attempt)}\n"
        start = files.position(attempt, since) if since else 0
        for records in files.blocks(attempt, start):
            inside = [r for r in records if until is None or r.at < until]
            yield "".join(map(_plain, lines(attempt, inside)))
            if len(inside) < len(records):
                break


def _called(attempt: Attempt) -> str:
    return f"Replica {attempt.number}, start {attempt.attempt}"


def strip_escapes(written: str) -> str:
    """Text without colours, cursor moves and control characters."""
    return _ESCAPES.sub("", written)


def _plain(line: Line) -> str:
    at = datetime.fromtimestamp(line.at // 1000 / 1e6, UTC)
    when = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{when} r{line.attempt.number} {line.src} {strip_escapes(line.text)}\n"


def _before(attempt: Attempt, until: int | None, limit: int) -> list[Line]:
    end = None if until is None else files.position(attempt, until)
    return lines(attempt, files.last_records(attempt, limit, end=end))


def _from(attempt: Attempt, since: int, until: int | None, limit: int) -> list[Line]:
    found: list[Record] = []
    for records in files.blocks(attempt, files.position(attempt, since)):
        inside = [r for r in records if until is None or r.at < until]
        found.extend(inside)
        if len(found) >= limit or len(inside) < len(records):
            break
    return lines(attempt, found[:limit])


def _merged(parts: list[list[Line]]) -> list[Line]:
    return list(heapq.merge(*parts, key=lambda line: line.at))


def nanoseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1e6) * 1000
