"""One headline and one sentence for the whole endpoint, worst first (GUIDE §5)."""

from __future__ import annotations

from replicas.page import trouble
from replicas.page.facts import ON_THE_WAY, Facts, Rollout, Seen, rounded
from replicas.page.remedies import Act
from replicas.page.telling import (
    NOTIFY,
    Readout,
    port_act,
    post,
    present,
    ready_of,
    start_took,
    step,
    warm,
)
from replicas.page.words import (
    Part,
    Sentence,
    clock,
    elapsed,
    full_stop,
    lasting,
    lower_first,
    say,
)
from replicas.progress import duration
from replicas.states import ReplicaState


def readout(facts: Facts) -> Readout:
    """The worst first: the first of these that fits speaks."""
    if facts.endpoint.deleting:
        text = "Its replicas stop, then its name is free again."
        return Readout("stopping", "Deleting", "Deleting", say(text))
    if facts.endpoint.paused:
        return _paused(facts)
    return _trouble(facts) or _course(facts)


def _trouble(facts: Facts) -> Readout | None:
    stopped = facts.rollout if facts.rollout and facts.rollout.stopped else None
    # A replica of the revision that was given up is that story, told below.
    failed = facts.of(ReplicaState.FAILED)
    if told := [s for s in failed if not (stopped and stopped.tried_by(s))]:
        return trouble.failed(facts, told[0])
    if quiet := facts.of(ReplicaState.UNHEALTHY):
        return trouble.unhealthy(facts, quiet[0])
    if stopped:
        return trouble.stopped_rollout(facts, stopped)
    return None


def _course(facts: Facts) -> Readout:
    """What goes as it should."""
    coming = [s for state in ON_THE_WAY for s in facts.of(state)]
    if facts.rollout and (coming or facts.of(ReplicaState.READY)):
        return _moving(facts, facts.rollout, coming)
    if coming:
        return _coming(facts, coming)
    if facts.of(ReplicaState.STOPPING):
        return _stopping(facts)
    if facts.of(ReplicaState.READY):
        return _ready(facts)
    if facts.endpoint.wanted_count:
        return Readout(
            "waiting",
            "Waiting",
            "Waiting for a replica",
            say("The first replica is about to start."),
        )
    return _idle(facts)


def _paused(facts: Facts) -> Readout:
    sentence = say("Requests get a 503 until you resume. The URL stays the same.")
    acts = (post("resume", "Resume", "play", facts.endpoint),)
    if facts.replicas:
        return Readout("stopping", "Pausing", "Pausing", sentence, acts)
    return Readout("stopped", "Paused", "Paused", sentence, acts)


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
        (post("wake", "Wake now", "power", facts.endpoint), warm(facts.endpoint)),
    )


def _coming(facts: Facts, coming: list[Seen]) -> Readout:
    seen = coming[0]
    headline, sentence = step(facts, seen)
    ready = len(facts.of(ReplicaState.READY))
    if ready:
        return Readout(
            ReplicaState.READY,
            ready_of(facts, ""),
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
        present((port_act(facts, seen), NOTIFY)),
        seen,
        part=seen.part,
    )


def _within(sentence: Sentence) -> Sentence:
    head, *rest = sentence or (Part("just begun."),)
    if head.kind:
        return (head, *rest)
    return (Part(lower_first(head.text)), *rest)


def _stopping(facts: Facts) -> Readout:
    stopping = facts.of(ReplicaState.STOPPING)
    ready = len(facts.of(ReplicaState.READY))
    seen = stopping[0]
    row = seen.current
    doing = lower_first(row.title) if row else "stopping"
    detail = f" {full_stop(row.detail)}" if row and row.detail else ""
    sentence = say(f"{seen.name}: {full_stop(doing)}{detail}")
    if lost := [s for s in stopping if s.replica.trouble == "GpuLost"]:
        sentence = say(f"{lost[0].name}: {lost[0].why}")
        if not ready:
            return Readout("stopping", "GPU lost", "GPU lost", sentence, kind="fail")
    if not ready:
        return Readout("stopping", "Stopping", "Stopping", sentence)
    return Readout(
        "ready",
        ready_of(facts, ""),
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
        _rest(facts),
        answering=True,
    )


def _rest(facts: Facts) -> tuple[Act, ...]:
    """For one that may sleep, or would if it were not kept warm."""
    endpoint = facts.endpoint
    if not endpoint.minimum:
        return (post("sleep", "Sleep now", "moon", endpoint), warm(endpoint))
    kept = endpoint.warm_until and endpoint.warm_until > facts.now
    return (warm(endpoint),) if kept else ()


def _moving(facts: Facts, rollout: Rollout, coming: list[Seen]) -> Readout:
    """One replica at a time goes over to another revision."""
    ready = len(facts.of(ReplicaState.READY))
    headline = (
        f"Moving to revision {rollout.number}: {rollout.done} of {rollout.total} "
        f"replica{'' if rollout.total == 1 else 's'}"
    )
    sentence = say("The old replicas finish their requests and stop.")
    about: Seen | None = None
    acts: tuple[Act, ...] = ()
    if coming:
        about = coming[0]
        doing, more = step(facts, about)
        sentence = (Part(f"{about.name}: {lower_first(doing)}. "), *more)
        acts = present((port_act(facts, about),))
    return Readout(
        "ready" if ready or about is None else about.state,
        f"Moving to revision {rollout.number}",
        headline,
        sentence,
        acts,
        about,
        answering=bool(ready),
    )
