"""How far a start is, for whoever waits at the endpoint's URL.

They may call the endpoint and need not own it: no names of nodes, images or paths, and
nothing from a log.
"""

from __future__ import annotations

from dataclasses import dataclass

from endpoints.steps import Reason
from replicas.page.facts import ON_THE_WAY, Facts, Seen, rounded
from replicas.page.words import full_stop
from replicas.progress import duration
from replicas.states import ReplicaState

_PROBING = (Reason.PROBING_PORT, Reason.PROBING_HEALTH)


@dataclass(frozen=True)
class Start:
    """state: idle, waiting (for hardware), starting, failed or paused.

    progress: 0 to 1 of what the title says, None where nothing is measured.
    """

    state: str
    title: str
    detail: str
    progress: float | None = None


def start_of(facts: Facts, state: str) -> Start:
    """state: what the ingress is told while nobody answers (replicas/routing.py)."""
    if facts.endpoint.deleting:
        return Start("failed", "Deleted", "This endpoint is going away.")
    if state == "paused":
        return Start("paused", "Paused", "It answers again once its owner resumes it.")
    if state == "failed":
        return _failed(facts)
    if state == "idle":
        return Start("idle", "Waking up", _usually(facts) or "A replica is asked for.")
    return _starting(facts)


def _failed(facts: Facts) -> Start:
    told = [seen.why for seen in facts.of(ReplicaState.FAILED) if seen.why]
    if told:
        return Start("failed", "The replica failed", told[0].splitlines()[0])
    if facts.of(ReplicaState.UNHEALTHY):
        text = "The replica runs and does not answer. It is asked again and again."
        return Start("failed", "Not answering", text)
    return Start("failed", "The replica failed", "It is tried again after a while.")


def _starting(facts: Facts) -> Start:
    if facts.of(ReplicaState.READY):
        return Start("starting", "Ready", "It answers in a moment.")
    coming = [seen for state in ON_THE_WAY for seen in facts.of(state)]
    if not coming:
        text = _usually(facts) or "The replica is about to start."
        return Start("starting", "Starting", text)
    seen = coming[0]
    if seen.state is ReplicaState.WAITING:
        text = seen.why or "It starts by itself as soon as some is free."
        return Start("waiting", "Waiting for hardware", text)
    title, text = _step(facts, seen)
    return Start("starting", title, text, seen.part)


def _step(facts: Facts, seen: Seen) -> tuple[str, str]:
    if seen.state is ReplicaState.ASSIGNED:
        return "Hardware assigned", _usually(facts) or "The image comes next."
    if seen.state is ReplicaState.PULLING:
        title = "Building the image" if seen.spec.build else "Pulling the image"
        return title, full_stop(seen.progress.get("text", "")) or "It has just begun."
    row = seen.current
    if row is None or row.reason not in _PROBING:
        return "Starting the container", "It has been asked to start."
    left = ""
    if facts.usual.answer and row.at:
        rest = facts.usual.answer - (facts.now - row.at).total_seconds()
        left = f", usually about {duration(rounded(rest))} more" if rest > 0 else ""
    return "Container started", f"Waiting for its first answer{left}."


def _usually(facts: Facts) -> str:
    """How long a start took before; "" without history."""
    about = facts.usual.start
    return f"A start usually takes about {duration(rounded(about))}." if about else ""
