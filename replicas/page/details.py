"""What stands beside the replicas: the URL's note, configuration, activity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from endpoints.models import Endpoint, Event
from endpoints.states import Phase
from endpoints.steps import title
from replicas.models import Replica
from replicas.page.telling import Readout
from replicas.page.tiers import hardware_words
from replicas.page.words import Part, Sentence, moment, say, since
from replicas.progress import duration
from replicas.states import ReplicaState


def url_note(endpoint: Endpoint, told: Readout, *, answered_before: bool) -> str:
    """One line under the URL while it does not answer with a replica's words."""
    if endpoint.deleting:
        return "This URL stops answering."
    if endpoint.paused:
        return "This URL answers 503 while the endpoint is paused."
    if told.answering:
        return ""
    held = duration(endpoint.hold_seconds) if endpoint.hold_seconds else ""
    if told.state == "slot" or (told.state == "stopping" and not endpoint.wanted_count):
        note = "The next request to this URL wakes a replica"
        return f"{note}." if held else f"{note}, and gets a 503 itself."
    if told.state in ("failed", "unhealthy") or not held:
        return "This URL answers 503 until a replica is ready."
    if answered_before:
        return f"Requests to this URL wait for a replica, {held} at most."
    return "This URL starts answering when the first replica is ready."


def scale_words(endpoint: Endpoint) -> str:
    return f"keep {endpoint.min_replicas}, up to {endpoint.max_replicas}"


def minimum_words(endpoint: Endpoint, now: datetime) -> Sentence:
    """What holds at this time of the week in place of the minimum; empty when
    nothing does."""
    kept = endpoint.minimum
    if endpoint.paused or endpoint.deleting:
        return ()
    if endpoint.warm_until and endpoint.warm_until > now and kept <= 1:
        return say("kept warm until ", moment(endpoint.warm_until, now))
    if kept != endpoint.min_replicas:
        return say(f"now keep {kept}, by its schedule")
    return ()


@dataclass(frozen=True)
class Setting:
    """One line of the configuration. code: shown in the mono font. note: after it."""

    name: str
    text: str = ""
    codes: tuple[tuple[str, str], ...] = ()


def configuration(endpoint: Endpoint) -> list[Setting]:
    spec = endpoint.container
    replicas = scale_words(endpoint)
    if endpoint.min_replicas < endpoint.max_replicas:
        replicas += f", idle timeout {duration(endpoint.idle_timeout)}"
    health = f"health check {spec.health_path}" if spec.health_path else ""
    port = f"{spec.port}, {health or 'no health check'}"
    image = (spec.image, ", built on the node" if spec.build else "")
    files = (
        f"Kept on the volume {spec.volume.name} at {spec.volume.mount}"
        if spec.volume
        else "Not kept when a replica stops"
    )
    settings = [
        Setting("Template", endpoint.template_name or "Your own container"),
        Setting("Container image", codes=(image,)),
        Setting("Hardware", hardware_words(endpoint.tier)),
        Setting("Replicas", replicas),
        Setting("Requests", _requests(endpoint)),
        Setting("Access", "Public" if endpoint.public else "Private"),
        Setting("Port", port),
        Setting("Start timeout", duration(endpoint.start_timeout)),
        Setting("Files", files),
    ]
    if spec.env:
        names = tuple((e.name, " (secret)" if e.secret else "") for e in spec.env)
        settings.append(Setting("Environment", codes=_listed(names)))
    return settings


def _requests(endpoint: Endpoint) -> str:
    """How many at once, and how long one waits."""
    held = endpoint.hold_seconds
    wait = f"wait up to {duration(held)} for a replica" if held else "do not wait"
    return f"{endpoint.concurrency} at once per replica, {wait}"


def _listed(names: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    last = len(names) - 1
    return tuple(
        (name, note + ("" if number == last else ", "))
        for number, (name, note) in enumerate(names)
    )


@dataclass(frozen=True)
class Deed:
    """One line of the activity: what happened, who did it, how long ago."""

    key: str
    what: str
    detail: str
    who: str
    at: datetime
    age: Part


def activity(events: Iterable[Event], now: datetime) -> list[Deed]:
    """The endpoint's own events, newest first, as given."""
    return [
        Deed(
            key=f"deed-{event.pk}",
            what=title(event.reason, event.data),
            detail=event.message.rstrip("."),
            who=event.actor,
            at=event.at,
            age=since(event.at, now),
        )
        for event in events
    ]


@dataclass(frozen=True)
class Earlier:
    """A replica whose story is over; its timeline can still be read."""

    id: int
    name: str
    ending: Sentence


def earlier(stopped: Iterable[Replica], now: datetime) -> list[Earlier]:
    return [
        Earlier(
            id=replica.pk,
            name=f"Replica {replica.number}",
            ending=say(
                "Failed, stopped " if replica.trouble else "Stopped ",
                since(replica.since, now),
            ),
        )
        for replica in stopped
    ]


AT_REST = (Phase.IDLE, Phase.PAUSED)
TALLIES = (
    ("ready", "ready", (Phase.READY,)),
    ("starting", "starting", (Phase.STARTING, Phase.WAITING)),
    ("failed", "failed", (Phase.FAILED,)),
    ("unhealthy", "not answering", (Phase.UNHEALTHY,)),
    ("stopping", "stopping", (Phase.STOPPING, Phase.DELETING)),
    ("slot", "at rest", AT_REST),
)


def is_coming(state: str) -> bool:
    return state in {
        ReplicaState.WAITING,
        ReplicaState.ASSIGNED,
        ReplicaState.PULLING,
        ReplicaState.STARTING,
    }
