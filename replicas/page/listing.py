"""The rows and the tally of the endpoints list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from endpoints.models import Endpoint, Event
from replicas.page.bubbles import caption
from replicas.page.details import TALLIES
from replicas.page.facts import ON_THE_WAY, Facts, Seen, rounded
from replicas.page.sparks import Traffic
from replicas.page.words import Sentence, lasting, plain, say, since
from replicas.progress import duration
from replicas.states import ReplicaState

NO_TRAFFIC = Traffic()


@dataclass(frozen=True)
class Tally:
    state: str
    count: int
    word: str


@dataclass(frozen=True)
class Mini:
    state: str
    part: float | None = None
    replica_id: int | None = None


@dataclass(frozen=True)
class Line:
    """One endpoint of the list, ready to be put into its row.

    to: addresses of its pages and verbs. aside, slow: what stands at the row's end.
    search_text: what the search box looks at, in lower case.
    """

    key: str
    name: str
    url: str
    public: bool
    paused: bool
    sub: str
    minis: tuple[Mini, ...]
    word: Sentence
    reason: Sentence
    tone: str
    aside: Sentence
    slow: str
    traffic: Traffic
    search_text: str
    to: Mapping[str, str] = field(default_factory=dict)


def tally(endpoints: Iterable[Endpoint]) -> list[Tally]:
    """How many endpoints are ready, starting, … ; what there is none of is left out."""
    phases = [endpoint.phase for endpoint in endpoints]
    counts = (
        Tally(state, sum(phase in group for phase in phases), word)
        for state, word, group in TALLIES
    )
    return [entry for entry in counts if entry.count]


def line(
    facts: Facts,
    paused_by: Event | None = None,
    to: Mapping[str, str] | None = None,
    traffic: Traffic = NO_TRAFFIC,
) -> Line:
    """paused_by: the newest Paused event, for an endpoint that is paused."""
    word, reason, tone, aside = _told(facts, paused_by)
    aside, slow = _aside(facts, aside, traffic)
    endpoint, tier = facts.endpoint, facts.endpoint.tier
    hardware = (
        tier.name if tier.name == tier.hardware else f"{tier.name} {tier.hardware}"
    )
    sub = f"{endpoint.template_name or endpoint.spec['image']}, {hardware}"
    return Line(
        key=str(endpoint.pk),
        name=endpoint.name,
        url=endpoint.url,
        public=endpoint.public,
        paused=endpoint.paused,
        sub=sub,
        minis=_minis(facts),
        word=word,
        reason=reason,
        tone=tone,
        aside=aside,
        slow=slow,
        traffic=traffic,
        search_text=f"{endpoint.name} {sub} {plain(word)}".lower(),
        to=to or {},
    )


def _aside(facts: Facts, told: Sentence, traffic: Traffic) -> tuple[Sentence, str]:
    """What is wrong since when, else how much is asked of it."""
    endpoint = facts.endpoint
    if told or endpoint.paused or endpoint.deleting:
        return told, ""
    if traffic.rate:
        return say(traffic.rate), traffic.slow
    if endpoint.last_request_at is None:
        return say("No traffic yet"), ""
    return say("Idle for ", lasting(endpoint.last_request_at, facts.now, 60)), ""


def _minis(facts: Facts) -> tuple[Mini, ...]:
    drawn = [Mini(s.state, s.part, s.replica.pk) for s in facts.replicas]
    rest = "stopped" if facts.endpoint.paused else "slot"
    empty = facts.endpoint.max_replicas - len(drawn)
    return (*drawn, *[Mini(rest)] * max(0, empty))


Told = tuple[Sentence, Sentence, str, Sentence]


def _told(facts: Facts, paused_by: Event | None) -> Told:
    endpoint = facts.endpoint
    if endpoint.deleting:
        return say("Deleting"), (), "", ()
    if endpoint.paused:
        return _paused(facts, paused_by)
    ready = len(facts.of(ReplicaState.READY))
    share = say(f"{ready} of {len(facts.replicas)} ready") if ready else ()
    return _trouble(facts, share) or _course(facts, share)


def _trouble(facts: Facts, share: Sentence) -> Told | None:
    """What is wrong, worst first, in the order of the endpoint's page."""
    way = facts.rollout if facts.rollout and facts.rollout.stopped else None
    failed = [s for s in facts.of(ReplicaState.FAILED) if not (way and way.tried_by(s))]
    if failed:
        why = failed[0].trouble or failed[0].why.partition(". ")[0].rstrip(".")
        when = say("Failed ", since(failed[0].replica.since, facts.now))
        return share or say("Failed"), say(why), "fail", when
    if quiet := facts.of(ReplicaState.UNHEALTHY):
        at = quiet[0].replica.silent_since or quiet[0].replica.since
        silence = say("No answer for ", lasting(at, facts.now))
        return share or say("Not answering"), silence, "wait", ()
    if way:
        reason = say(f"Revision {way.number} did not become ready")
        return share or say(_at_rest(facts) or "Starting"), reason, "fail", ()
    return None


def _at_rest(facts: Facts) -> str:
    """What it is at while none is wanted; "" while some are."""
    if facts.endpoint.wanted_count:
        return ""
    return "Stopping" if facts.replicas else "Scaled to zero"


def _course(facts: Facts, share: Sentence) -> Told:
    ready = facts.of(ReplicaState.READY)
    coming = [s for state in ON_THE_WAY for s in facts.of(state)]
    stopping = facts.of(ReplicaState.STOPPING)
    way = facts.rollout
    if way and (coming or ready):
        moving = f"Moving to revision {way.number}: {way.done} of {way.total}"
        return share or say("Starting"), say(moving), "", ()
    if coming:
        return _coming(facts, coming, share)
    if stopping:
        return share or say("Stopping"), say(f"{len(stopping)} stopping"), "", ()
    if ready:
        return _ready(facts, ready)
    if facts.endpoint.wanted_count:
        return say("Waiting"), say("The first replica is about to start"), "wait", ()
    about = facts.usual.start
    wait = f", about {duration(rounded(about))}" if about else ""
    return say("Scaled to zero"), say(f"Wakes on request{wait}"), "", ()


def _paused(facts: Facts, paused_by: Event | None) -> Told:
    if facts.replicas:
        return say("Pausing"), say(f"{len(facts.replicas)} stopping"), "", ()
    if paused_by is None:
        return say("Paused"), (), "", ()
    who = f"by {paused_by.actor}, " if paused_by.actor else ""
    return say("Paused"), say(who, since(paused_by.at, facts.now)), "", ()


def _coming(facts: Facts, coming: Sequence[Seen], share: Sentence) -> Told:
    first = coming[0]
    waiting = [s for s in coming if s.state is ReplicaState.WAITING]
    tone = "wait" if len(waiting) == len(coming) else ""
    if share:
        what = first.state.spoken if waiting else "on the way"
        return share, say(f"{len(coming)} {what}"), "", ()
    place = f"{first.name} of {facts.endpoint.max_replicas}"
    return caption(first, facts), say(place), tone, ()


def _ready(facts: Facts, ready: Sequence[Seen]) -> Told:
    up_to = facts.endpoint.max_replicas
    count = f"{len(ready)} of up to {up_to}" if up_to > 1 else "1 replica"
    return say("Ready"), say(count), "", ()
