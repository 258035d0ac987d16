"""The events of one replica, for its dialog."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from endpoints.steps import Reason, Row
from replicas.page.bubbles import caption
from replicas.page.facts import Facts, Seen
from replicas.page.remedies import Act
from replicas.page.telling import LOGS, port_act, present, start_took
from replicas.page.trouble import failed_acts, next_try
from replicas.page.words import Part, Sentence, clock, elapsed, lasting, say
from replicas.states import ReplicaState


@dataclass(frozen=True)
class Line:
    """One event. `meter` is how far, 0 to 1, and None where nothing is measured.

    tail: the last lines of output, for what failed.

    key: stable while the line exists. kind: the stylesheet's data-kind.
    """

    key: str
    title: str
    phase: str
    kind: str = ""
    more: Sentence = ()
    took: Sentence = ()
    at: Sentence = ()
    meter: float | None = None
    small: Sentence = ()
    tail: tuple[str, ...] = ()

    @property
    def meter_width(self) -> str:
        return f"{(self.meter or 0) * 100:.1f}"


@dataclass(frozen=True)
class Dialog:
    """A replica's dialog: facts and lines. `ended` once its story is over."""

    id: int
    number: int
    name: str
    state: str
    part: float | None
    caption: Sentence
    gpu: str
    node: str
    started: Sentence
    took_word: str
    took: Sentence
    lines: tuple[Line, ...]
    answering: bool
    ended: bool
    acts: tuple[Act, ...] = ()


# steps.py says "stop" where the stylesheet says "end".
_KINDS = {"stop": "end"}
_OVER = (ReplicaState.FAILED, ReplicaState.STOPPED)


def dialog(seen: Seen, facts: Facts) -> Dialog:
    replica = seen.replica
    began = next((row.at for row in seen.rows if row.at), replica.created_at)
    word, took = _took(seen, facts, began)
    return Dialog(
        id=replica.pk,
        number=replica.number,
        name=seen.name,
        state=seen.state,
        part=seen.part,
        caption=caption(seen, facts),
        gpu=_gpu(seen, facts),
        node=replica.node_id or "None yet",
        started=(clock(began),),
        took_word=word,
        took=took,
        lines=tuple(
            _line(seen, facts, row, number) for number, row in enumerate(seen.rows)
        ),
        answering=seen.state is ReplicaState.READY,
        ended=seen.state is ReplicaState.STOPPED,
        acts=_acts(seen, facts),
    )


def _acts(seen: Seen, facts: Facts) -> tuple[Act, ...]:
    """What helps a replica that failed, or listens elsewhere; not the logs, which are
    always there."""
    if seen.state is ReplicaState.STARTING:
        return present((port_act(facts, seen),))
    if seen.state is not ReplicaState.FAILED:
        return ()
    return tuple(act for act in failed_acts(facts, seen) if act is not LOGS)


def _gpu(seen: Seen, facts: Facts) -> str:
    """What it holds; once that is given back, what its story says it had."""
    if not seen.replica.tier.gpus:
        return "None needed"
    if seen.gpu:
        return seen.gpu
    for row in reversed(seen.rows):
        if row.reason == Reason.ASSIGNED and row.at:
            return row.detail.rpartition(" on ")[0] or row.detail or "Given back"
    return "None yet"


def _took(seen: Seen, facts: Facts, began: datetime) -> tuple[str, Sentence]:
    if seen.state is ReplicaState.READY:
        took = start_took(seen)
        return "Started in", say(elapsed(took)) if took is not None else ()
    if seen.state in _OVER:
        ended = seen.replica.since
        return "Lasted", say(elapsed((ended - began).total_seconds()))
    ran = seen.state in (ReplicaState.UNHEALTHY, ReplicaState.STOPPING)
    return "Runs for" if ran else "So far", say(lasting(began, facts.now))


def _line(seen: Seen, facts: Facts, row: Row, number: int) -> Line:
    going = row.open and row is seen.current
    took: Sentence = ()
    if row.open and row.at:
        took = (lasting(row.at, facts.now),)
    elif row.phase == "done" and row.took is not None:
        took = say(elapsed(row.took))
    detail = row.detail
    if going and seen.state is ReplicaState.WAITING:
        detail = seen.why or detail
    fetching = going and seen.state is ReplicaState.PULLING
    return Line(
        key=f"event-{seen.replica.pk}-{number}",
        title=row.title,
        phase=row.phase,
        kind="ready"
        if row.reason == Reason.RUNNING
        else _KINDS.get(row.kind, row.kind),
        more=_more(seen, facts, row, detail, going=going),
        took=took,
        at=(clock(row.at),) if row.at else (),
        meter=(seen.part or 0) if fetching else None,
        small=(_told(seen, "small", ""),) if fetching else (),
        tail=tuple(row.data.get("tail", ())),
    )


def _more(seen: Seen, facts: Facts, row: Row, detail: str, *, going: bool) -> Sentence:
    if going and row.reason == Reason.BACKING_OFF:
        return next_try(facts, seen)
    return (_told(seen, "text", detail),) if going else say(detail)


def _told(seen: Seen, field: Literal["text", "small"], otherwise: str) -> Part:
    """A place for progress, also before there is any: news fills it."""
    text = seen.progress.get(field, "") or otherwise
    return Part(text, "progress", replica=seen.replica.pk, field=field)
