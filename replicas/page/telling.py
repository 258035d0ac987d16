"""A readout's shape, and pieces that several of them need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from endpoints.models import Endpoint
from endpoints.steps import Reason
from replicas.page.facts import Facts, Seen, rounded
from replicas.page.remedies import Act, address, use_port
from replicas.page.words import Part, Sentence, full_stop, say
from replicas.progress import duration
from replicas.states import ReplicaState

_PROBING = (Reason.PROBING_PORT, Reason.PROBING_HEALTH)


LOGS = Act("logs", "Open logs", "scroll-text", "logs")
NOTIFY = Act("notify", "Tell me when it's ready", "bell", "notify")


def post(verb: str, words: str, icon: str, endpoint: Endpoint, **sent: object) -> Act:
    (name, value), *_ = [*sent.items(), ("", "")]
    to = address(f"replicas:{verb}", endpoint.name)
    return Act(verb.replace("_", "-"), words, icon, "post", to, name, str(value))


def warm(endpoint: Endpoint) -> Act:
    to = address("replicas:warm", endpoint.name)
    return Act("warm", "Keep warm", "sun", "form", to, value="warm-dialog")


def present(acts: Iterable[Act | None]) -> tuple[Act, ...]:
    return tuple(act for act in acts if act is not None)


@dataclass(frozen=True)
class Readout:
    """What the endpoint says about itself.

    state: the status line's bubble. word: beside it, and in the tab's title.
    replica: whom it is about, if about one. answering: some replica is ready.
    tail: the last lines of what failed. kind: overrides the tone of `state`.
    """

    state: str
    word: str
    headline: str
    sentence: Sentence
    acts: tuple[Act, ...] = ()
    replica: Seen | None = None
    answering: bool = False
    part: float | None = None
    tail: tuple[str, ...] = ()
    kind: str = ""

    @property
    def tone(self) -> str:
        if self.kind:
            return self.kind
        tones = {"failed": "fail", "unhealthy": "wait", "waiting": "wait"}
        return tones.get(self.state, "")


def ready_of(facts: Facts, otherwise: str) -> str:
    """ "2 of 3 ready", when some are ready and some are not."""
    ready = len(facts.of(ReplicaState.READY))
    return f"{ready} of {len(facts.replicas)} ready" if ready else otherwise


def port_act(facts: Facts, seen: Seen) -> Act | None:
    """While it starts and listens elsewhere: one click to the port it has."""
    ports = seen.progress.get("ports", [])
    return use_port(facts.endpoint, ports[0]) if ports else None


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
    headline = "Building the image" if seen.spec.build else "Pulling the image"
    text = rest(seen.progress.get("text", ""))
    start = "It has just begun"
    part = Part(text or start, "progress", replica=seen.replica.pk, field="rest")
    return headline, say(part, "" if part.text.endswith(".") else ".")


def rest(text: str) -> str:
    """Progress without its leading percent, which stands under the bubble."""
    head, comma, tail = text.partition(", ")
    return tail if comma and head.endswith("%") else text


def _probing(facts: Facts, seen: Seen) -> Sentence:
    what = seen.spec.health_path or f"port {seen.spec.port}"
    if seen.progress.get("ports"):
        return say(seen.progress.get("text", ""))
    usual, row = facts.usual.answer, seen.current
    more = ""
    if usual and row and row.at:
        remaining = usual - (facts.now - row.at).total_seconds()
        if remaining > 0:
            more = f", usually about {duration(rounded(remaining))} more"
    return say(f"Waiting for {what} to answer{more}.")


def start_took(seen: Seen) -> float | None:
    """Seconds from its first event to the first time it ran; None before that."""
    ran = next((r.at for r in seen.rows if r.reason == Reason.RUNNING), None)
    began = next((r.at for r in seen.rows if r.at), None)
    return (ran - began).total_seconds() if ran and began else None
