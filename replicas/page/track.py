"""The step track: Hardware, Image, Container, Running, each with its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from endpoints.steps import PROBES, STEP_NAMES, Reason, Row
from replicas.page.facts import ON_THE_WAY, Facts, Seen
from replicas.page.words import Sentence, clock, elapsed, lasting, say
from replicas.states import ReplicaState

SHOWN_AFTER_READY = timedelta(minutes=10)


@dataclass(frozen=True)
class Step:
    """phase: "done", "now", "next" or "fail". part: how far, 0 to 1, if known."""

    name: str
    phase: str
    kind: str = ""
    took: Sentence = ()
    part: float | None = None


@dataclass(frozen=True)
class Track:
    """until: when it gives way to the ribbons; None while the replica is on its way."""

    replica: Seen
    steps: tuple[Step, ...]
    until: datetime | None = None


def track(facts: Facts, about: Seen | None) -> Track | None:
    """For the replica on its way or failed, or the only one for 10 min after ready."""
    if about and about.state in (*ON_THE_WAY, ReplicaState.FAILED):
        return Track(about, _steps(facts, about))
    if len(facts.replicas) != 1:
        return None
    seen = facts.replicas[0]
    at = seen.replica.ready_at
    if seen.state is not ReplicaState.READY or not at:
        return None
    until = at + SHOWN_AFTER_READY
    return Track(seen, _steps(facts, seen), until) if facts.now < until else None


def _steps(facts: Facts, seen: Seen) -> tuple[Step, ...]:
    told = [
        row
        for row in seen.rows
        if row.at is not None and row.reason != Reason.BACKING_OFF
    ]
    steps = []
    for group, name in enumerate(STEP_NAMES):
        rows = _newest(told, group)
        later = any((row.group or 0) > group for row in _this_attempt(told))
        phase = _phase(seen, group, rows, later=later)
        waits = seen.state is ReplicaState.WAITING
        steps.append(
            Step(
                name=name,
                phase=phase,
                kind="wait" if waits else "",
                took=_took(facts, seen, group, rows, phase),
                part=_part(facts, seen, group, rows),
            )
        )
    return tuple(steps)


def _this_attempt(rows: Sequence[Row]) -> Sequence[Row]:
    for index in range(len(rows) - 1, -1, -1):
        if rows[index].reason == Reason.RETRYING:
            return rows[index + 1 :]
    return rows


def _newest(rows: Sequence[Row], group: int) -> list[Row]:
    """This attempt's rows of a step, or earlier ones where it had none."""
    now = [row for row in _this_attempt(rows) if row.group == group]
    return now or [
        row for row in rows if row.group == group and row.reason != Reason.RETRYING
    ]


def _phase(seen: Seen, group: int, rows: list[Row], *, later: bool) -> str:
    if rows and rows[-1].kind == "fail" and seen.state is ReplicaState.FAILED:
        return "fail"
    if group == len(STEP_NAMES) - 1 and seen.state is ReplicaState.READY:
        return "done"
    if later:
        return "done"
    return "now" if rows else "next"


def _took(
    facts: Facts, seen: Seen, group: int, rows: list[Row], phase: str
) -> Sentence:
    if phase == "next" or not rows:
        return ()
    if group == len(STEP_NAMES) - 1 and seen.state is ReplicaState.READY:
        at = seen.replica.ready_at
        return say(clock(at)) if at else ()
    if phase == "fail":
        code = seen.replica.exit_code
        return say(f"exit {code}") if code is not None else ()
    done = sum(row.took or 0 for row in rows if not row.open)
    going = next((row.at for row in rows if row.open and row.at), None)
    if going:
        return say(lasting(going - timedelta(seconds=done), facts.now))
    return say(elapsed(done))


def _part(facts: Facts, seen: Seen, group: int, rows: list[Row]) -> float | None:
    if group == 1:
        return seen.part
    usual = facts.usual.answer
    going = next((r.at for r in rows if r.open and r.reason in PROBES), None)
    if usual and going:
        return min(0.95, (facts.now - going).total_seconds() / usual)
    return None
