"""One headline and one sentence for the whole endpoint, worst first (GUIDE §5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from endpoints.steps import Reason
from replicas.page.facts import ON_THE_WAY, Facts, Seen, rounded
from replicas.page.words import (
    Part,
    Sentence,
    clock,
    elapsed,
    full_stop,
    lasting,
    left,
    lower_first,
    say,
)
from replicas.progress import duration
from replicas.states import ReplicaState

Act = Literal["logs", "retry", "restart", "resume", "notify", "larger"]
_PROBING = (Reason.PROBING_PORT, Reason.PROBING_HEALTH)
_OUT_OF_MEMORY = 137


@dataclass(frozen=True)
class Readout:
    """What the endpoint says about itself.

    state: the status line's bubble. word: beside it, and in the tab's title.
    replica: whom it is about, if about one. answering: some replica is ready.
    """

    state: str
    word: str
    headline: str
    sentence: Sentence
    acts: tuple[Act, ...] = ()
    replica: Seen | None = None
    answering: bool = False
    part: float | None = None

    @property
    def tone(self) -> str:
        tones = {"failed": "fail", "unhealthy": "wait", "waiting": "wait"}
        return tones.get(self.state, "")


def readout(facts: Facts) -> Readout:
    """The worst first: the first of these that fits speaks."""
    endpoint = facts.endpoint
    if endpoint.deleting:
        return Readout(
            "stopping",
            "Deleting",
            "Deleting",
            say("Its replicas stop, then its name is free again."),
        )
    if endpoint.paused:
        return _paused(facts)
    for state, tell in _WORST_FIRST:
        if found := facts.of(state):
            return tell(facts, found[0])
    coming = [s for state in ON_THE_WAY for s in facts.of(state)]
    if coming:
        return _coming(facts, coming)
    if facts.of(ReplicaState.STOPPING):
        return _stopping(facts)
    if facts.of(ReplicaState.READY):
        return _ready(facts)
    if endpoint.wanted_count:
        return Readout(
            "waiting",
            "Waiting",
            "Waiting for a replica",
            say("The first replica is about to start."),
        )
    return _idle(facts)


def _paused(facts: Facts) -> Readout:
    sentence = say("Requests get a 503 until you resume. The URL stays the same.")
    if facts.replicas:
        return Readout("stopping", "Pausing", "Pausing", sentence, ("resume",))
    return Readout("stopped", "Paused", "Paused", sentence, ("resume",))


def _idle(facts: Facts) -> Readout:
    about = facts.usual.start
    wait = f", about {duration(rounded(about))}" if about else ""
    return Readout(
        "slot",
        "Scaled to zero",
        "Scaled to zero",
        say(
            f"The next request wakes a replica and waits for it{wait}. "
            "Nothing runs until then."
        ),
    )


def _ready_of(facts: Facts, otherwise: str) -> str:
    """ "2 of 3 ready", when some are ready and some are not."""
    ready = len(facts.of(ReplicaState.READY))
    return f"{ready} of {len(facts.replicas)} ready" if ready else otherwise


def _failed(facts: Facts, seen: Seen) -> Readout:
    alone = len(facts.replicas) == 1
    replica = seen.replica
    why = seen.why or "It gave no reason."
    if replica.retry_at and replica.retry_at > facts.now:
        sentence = say(
            f"{why} It starts again in ", left(replica.retry_at, facts.now), "."
        )
        acts: tuple[Act, ...] = ("logs", "retry")
    elif replica.exit_code == _OUT_OF_MEMORY:
        sentence = say(f"{why} Move to a larger tier, or read the logs.")
        acts = ("logs", "retry", "larger")
    else:
        sentence = say(f"{why} The logs show what it was doing.")
        acts = ("logs", "retry")
    return Readout(
        "failed",
        _ready_of(facts, "Failed"),
        "The replica failed" if alone else f"{seen.name} failed",
        sentence,
        acts,
        seen,
        answering=bool(facts.of(ReplicaState.READY)),
    )


def _unhealthy(facts: Facts, seen: Seen) -> Readout:
    spec = facts.endpoint.container
    what = spec.health_path or f"Port {spec.port}"
    quiet = seen.replica.silent_since or seen.replica.since
    sentence = say(
        f"{what} has not answered for ",
        lasting(quiet, facts.now),
        ". It gets no traffic until it does.",
    )
    if seen.why:
        sentence = say(f"{seen.why} It gets no traffic until it does.")
    alone = len(facts.replicas) == 1
    return Readout(
        "unhealthy",
        _ready_of(facts, "Not answering"),
        "Running, but not answering"
        if alone
        else f"{seen.name} is running, but not answering",
        sentence,
        ("logs", "restart"),
        seen,
        answering=bool(facts.of(ReplicaState.READY)),
    )


def _coming(facts: Facts, coming: list[Seen]) -> Readout:
    seen = coming[0]
    headline, sentence = step(facts, seen)
    ready = len(facts.of(ReplicaState.READY))
    if ready:
        return Readout(
            ReplicaState.READY,
            _ready_of(facts, ""),
            f"{ready} ready, {len(coming)} on the way",
            (Part(f"{seen.name}: {lower_first(headline)}, "), *_within(sentence)),
            replica=seen,
            answering=True,
        )
    alone = len(facts.replicas) == 1
    return Readout(
        seen.state,
        headline,
        headline if alone else f"{seen.name}: {lower_first(headline)}",
        sentence,
        ("notify",),
        seen,
        part=seen.part,
    )


def _within(sentence: Sentence) -> Sentence:
    head, *rest = sentence or (Part("just begun."),)
    if head.kind:
        return (head, *rest)
    return (Part(lower_first(head.text)), *rest)


def step(facts: Facts, seen: Seen) -> tuple[str, Sentence]:
    """What a replica on its way is doing: headline and sentence."""
    row = seen.current
    detail = full_stop(row.detail) if row else ""
    if seen.state is ReplicaState.WAITING:
        told = seen.why or detail
        return "Waiting for hardware", say(told or "Asking for hardware.")
    if seen.state is ReplicaState.ASSIGNED:
        node = seen.replica.node_id
        where = f"{seen.gpu} on {node}." if seen.gpu else f"On {node}." if node else ""
        return "Hardware assigned", say(where or "The image comes next.")
    if seen.state is ReplicaState.PULLING:
        return _fetching(facts, seen)
    if row is not None and row.reason in _PROBING:
        return "Container started", _probing(facts, seen)
    return "Starting the container", say(detail or "It has been asked to start.")


def _fetching(facts: Facts, seen: Seen) -> tuple[str, Sentence]:
    build = facts.endpoint.container.build
    headline = "Building the image" if build else "Pulling the image"
    text = rest(seen.progress.get("text", ""))
    start = "It has just begun"
    part = Part(text or start, "progress", replica=seen.replica.pk, field="rest")
    return headline, say(part, "" if part.text.endswith(".") else ".")


def rest(text: str) -> str:
    """Progress without its leading percent, which stands under the bubble."""
    head, comma, tail = text.partition(", ")
    return tail if comma and head.endswith("%") else text


def _probing(facts: Facts, seen: Seen) -> Sentence:
    spec = facts.endpoint.container
    what = spec.health_path or f"port {spec.port}"
    usual, row = facts.usual.answer, seen.current
    more = ""
    if usual and row and row.at:
        remaining = usual - (facts.now - row.at).total_seconds()
        if remaining > 0:
            more = f", usually about {duration(rounded(remaining))} more"
    return say(f"Waiting for {what} to answer{more}.")


def _stopping(facts: Facts) -> Readout:
    stopping = facts.of(ReplicaState.STOPPING)
    ready = len(facts.of(ReplicaState.READY))
    seen = stopping[0]
    row = seen.current
    doing = lower_first(row.title) if row else "stopping"
    detail = f" {full_stop(row.detail)}" if row and row.detail else ""
    sentence = say(f"{seen.name}: {full_stop(doing)}{detail}")
    if not ready:
        return Readout("stopping", "Stopping", "Stopping", sentence)
    return Readout(
        "ready",
        _ready_of(facts, ""),
        f"{ready} ready, {len(stopping)} stopping",
        sentence,
        answering=True,
    )


def _ready(facts: Facts) -> Readout:
    ready = facts.of(ReplicaState.READY)
    first = min(ready, key=lambda s: s.replica.ready_at or s.replica.since)
    at = first.replica.ready_at or first.replica.since
    if (facts.now - at).total_seconds() < 3600:
        answering = ("Answering since ", clock(at), ".")
    else:
        answering = ("Answering for ", lasting(at, facts.now, 60), ".")
    took = start_took(first)
    started = f" It started in {elapsed(took)}." if took and len(ready) == 1 else ""
    alone = len(ready) == 1
    return Readout(
        "ready",
        "Ready" if alone else f"{len(ready)} of {len(ready)} ready",
        "Ready" if alone else f"All {len(ready)} replicas ready",
        say(*answering, started),
        answering=True,
    )


def start_took(seen: Seen) -> float | None:
    """Seconds from its first event to the first time it ran; None before that."""
    ran = next((r.at for r in seen.rows if r.reason == Reason.RUNNING), None)
    began = next((r.at for r in seen.rows if r.at), None)
    return (ran - began).total_seconds() if ran and began else None


_WORST_FIRST = (
    (ReplicaState.FAILED, _failed),
    (ReplicaState.UNHEALTHY, _unhealthy),
)
