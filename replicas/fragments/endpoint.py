"""One endpoint with its replicas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.utils import timezone

from endpoints import steps
from endpoints.models import Endpoint, Event
from endpoints.snippets import snippets_of
from endpoints.steps import Reason
from replicas import progress
from replicas.fragments.ribbons import ribbons_of
from replicas.fragments.rollouts import larger_tier, last_to_try, rollout_of
from replicas.fragments.schedule import schedule_of
from replicas.models import Gpu, Replica
from replicas.page import details, revisions
from replicas.page.bubbles import bubbles
from replicas.page.facts import HISTORY_REASONS, Facts, Seen, Usual, usual_times
from replicas.page.readout import readout
from replicas.page.starting import start_of
from replicas.page.tiers import tier_words
from replicas.page.timeline import dialog
from replicas.page.track import track
from replicas.routing import state_of
from replicas.states import ReplicaState

# Enough for a replica that crashed many times; older lines are in its log.
EVENTS_SHOWN = 500
ACTIVITY_SHOWN = 8
EARLIER_SHOWN = 5
_HISTORY_EVENTS = 150
_SIBLINGS = 20


def endpoint_context(endpoint: Endpoint, *, replica_id: int | None) -> dict[str, Any]:
    """Everything the endpoint's page shows; `dialog` when a replica is named."""
    now = timezone.now()
    shown = _replicas_of(endpoint, replica_id)
    alive = [r for r in shown if r.state != ReplicaState.STOPPED]
    revision, way = rollout_of(endpoint, alive)
    tried = last_to_try(endpoint, way) if way and way.stopped else None
    told = _events_of(endpoint, [r.pk for r in _with(shown, tried)])
    own = endpoint.events.filter(replica_id=None).order_by("-at", "-id")
    if way and tried:
        way = replace(way, failed=_seen([tried], told)[0])
    facts = Facts(
        endpoint=endpoint,
        now=now,
        replicas=_seen(alive, told),
        usual=_usual_of(endpoint, alive),
        rollout=way,
        larger=larger_tier(_with(alive, tried)),
    )
    said = readout(facts)
    flat = (event for events in told.values() for event in events)
    answered = any(
        event.reason == Reason.RUNNING for events in told.values() for event in events
    )
    steps_taken = track(facts, said.replica)
    context = {
        "endpoint": endpoint,
        "now": now,
        "said": said,
        "bubbles": bubbles(facts),
        "track": steps_taken,
        "ribbons": ribbons_of(endpoint, shown, flat, now),
        "ribbons_hidden": bool(steps_taken) and len(facts.replicas) < 2,
        "scale_words": details.scale_words(endpoint),
        "minimum_words": details.minimum_words(endpoint, now),
        "schedule": schedule_of(endpoint),
        "tier_words": tier_words(endpoint.tier),
        "url_note": details.url_note(endpoint, said, answered_before=answered),
        "settings": details.configuration(endpoint),
        "revision": revisions.in_use(revision, way, now) if revision else (),
        "snippets": snippets_of(endpoint.url, endpoint.container, endpoint.public),
        "deeds": details.activity(own[:ACTIVITY_SHOWN], now),
        "earlier": details.earlier(
            [r for r in shown if r.state == ReplicaState.STOPPED][:EARLIER_SHOWN], now
        ),
    }
    if replica_id is not None:
        context["dialog"] = _dialog(facts, shown, told, replica_id)
    return context


def waiting_context(endpoint: Endpoint) -> dict[str, Any]:
    """What somebody is told who waits at its URL; for the page that looks each second.
    `start` is a Start."""
    replicas = endpoint.replicas.alive().select_related("revision__tier")
    alive = list(replicas.prefetch_related("gpus").order_by("number", "id"))
    facts = Facts(
        endpoint=endpoint,
        now=timezone.now(),
        replicas=_seen(alive, _events_of(endpoint, [r.pk for r in alive])),
        usual=_usual_of(endpoint, alive),
    )
    return {"start": start_of(facts, state_of(endpoint, alive))}


def _replicas_of(endpoint: Endpoint, replica_id: int | None) -> list[Replica]:
    """The living by number, then those that ended, the newest first."""
    everyone = endpoint.replicas.select_related("revision__tier")
    everyone = everyone.prefetch_related("gpus")
    alive = list(everyone.alive().order_by("number", "id"))
    ended = everyone.filter(state=ReplicaState.STOPPED).order_by("-since", "-id")
    recent = list(ended[:EARLIER_SHOWN])
    if replica_id is not None and all(r.pk != replica_id for r in (*alive, *recent)):
        recent.extend(everyone.filter(pk=replica_id))
    return alive + recent


def _with(replicas: Sequence[Replica], other: Replica | None) -> list[Replica]:
    if other is None or any(r.pk == other.pk for r in replicas):
        return list(replicas)
    return [*replicas, other]


def _events_of(endpoint: Endpoint, ids: Sequence[int]) -> dict[int, list[Event]]:
    newest = endpoint.events.filter(replica_id__in=ids).order_by("-at", "-id")
    told: dict[int, list[Event]] = defaultdict(list)
    for event in reversed(newest[:EVENTS_SHOWN]):
        told[event.replica_id or 0].append(event)
    return told


def _seen(
    replicas: Sequence[Replica], told: dict[int, list[Event]]
) -> tuple[Seen, ...]:
    how_far = progress.read(r.pk for r in replicas if r.state != ReplicaState.STOPPED)
    specs = {r.pk: r.container for r in replicas}
    return tuple(
        Seen(
            replica=replica,
            rows=tuple(
                steps.rows(
                    told.get(replica.pk, ()),
                    coming=steps.ahead(
                        replica.state,
                        port=specs[replica.pk].port,
                        path=specs[replica.pk].health_path,
                        build=bool(specs[replica.pk].build),
                    ),
                )
            ),
            gpu=_gpu_words(replica.gpus.all()),
            last_progress=how_far.get(replica.pk),
        )
        for replica in replicas
    )


def _gpu_words(gpus: Iterable[Gpu]) -> str:
    """ "A10 24 GB", "2 × A100 80 GB"; empty without a GPU."""
    names = [f"{g.model} {g.memory_gb} GB" if g.memory_gb else g.model for g in gpus]
    if len(names) > 1:
        return f"{len(names)} × {names[0]}"
    return names[0] if names else ""


def _usual_of(endpoint: Endpoint, alive: Sequence[Replica]) -> Usual:
    """From this endpoint's earlier starts, else from others of the same template."""
    coming = any(details.is_coming(r.state) for r in alive)
    if alive and not coming:
        return Usual()  # nothing on the page asks for an estimate
    found = _history([endpoint.pk])
    if found == Usual() and endpoint.template_id:
        siblings = Endpoint.objects.filter(template_id=endpoint.template_id)
        found = _history(list(siblings.order_by("-pk").values_list("pk", flat=True)))
    return found


def _history(endpoint_ids: Sequence[int]) -> Usual:
    events = Event.objects.filter(
        endpoint_id__in=endpoint_ids[:_SIBLINGS], reason__in=HISTORY_REASONS
    ).order_by("-at", "-id")
    return usual_times(reversed(events[:_HISTORY_EVENTS]))


def _dialog(
    facts: Facts,
    shown: Sequence[Replica],
    told: dict[int, list[Event]],
    replica_id: int,
) -> Any:
    seen = [s for s in facts.replicas if s.replica.pk == replica_id]
    if not seen:
        replica = [r for r in shown if r.pk == replica_id]
        seen = list(_seen(replica, told))
    return dialog(seen[0], facts) if seen else None
