"""One bubble per living replica, then dotted slots up to the maximum."""

from __future__ import annotations

from dataclasses import dataclass

from replicas.page.facts import Facts, Seen
from replicas.page.words import Part, Sentence, lasting, lower_first, say
from replicas.states import ReplicaState


@dataclass(frozen=True)
class Bubble:
    """key: stable while the replica lives. replica_id is None for a slot.

    caption: the line under its name. spoken: the button's label.
    """

    key: str
    state: str
    name: str
    caption: Sentence
    spoken: str = ""
    replica_id: int | None = None
    number: int = 0
    part: float | None = None


def bubbles(facts: Facts) -> list[Bubble]:
    endpoint = facts.endpoint
    drawn = [_bubble(facts, seen) for seen in facts.replicas]
    taken = {seen.replica.number for seen in facts.replicas}
    free = (n for n in range(1, 100) if n not in taken)
    going = len(facts.of(ReplicaState.STOPPING))
    coming = endpoint.wanted_count - (len(drawn) - going)
    for place in range(endpoint.max_replicas - len(drawn)):
        number = next(free)
        if endpoint.paused:
            caption = "Starts on resume"
        else:
            caption = "Starts soon" if place < coming else "Starts on demand"
        drawn.append(Bubble(f"slot-{number}", "slot", "Standby", say(caption)))
    return drawn


def _bubble(facts: Facts, seen: Seen) -> Bubble:
    return Bubble(
        key=f"replica-{seen.replica.pk}",
        state=seen.state,
        name=seen.name,
        caption=caption(seen, facts),
        spoken=f"{seen.name}, {spoken(seen)}. Show timeline",
        replica_id=seen.replica.pk,
        number=seen.replica.number,
        part=seen.part,
    )


def caption(seen: Seen, facts: Facts) -> Sentence:
    """The word under the bubble, with how long or how much."""
    label, replica = seen.state.label, seen.replica
    if seen.state is ReplicaState.PULLING:
        if facts.endpoint.spec.get("build"):
            label = "Building"
        text = seen.progress.get("label", label)
        return (Part(text, "progress", replica=replica.pk, field="label"),)
    if seen.state in (ReplicaState.WAITING, ReplicaState.STARTING):
        return say(f"{label} ", lasting(replica.since, facts.now, 600))
    if seen.state is ReplicaState.READY:
        at = replica.ready_at or replica.since
        return say(f"{label} ", lasting(at, facts.now, 60))
    if seen.state is ReplicaState.FAILED and seen.trouble:
        return say(seen.trouble)
    return say(label)


def spoken(seen: Seen) -> str:
    """Percent in steps of ten, so that a screen reader is not told each one."""
    part = seen.part
    if seen.state is ReplicaState.PULLING and part is not None:
        return f"{seen.state.spoken}, {int(part * 10) * 10} percent"
    if seen.state is ReplicaState.FAILED and seen.trouble:
        return f"{seen.state.spoken}, {lower_first(seen.trouble)}"
    return seen.state.spoken
