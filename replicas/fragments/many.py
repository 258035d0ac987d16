"""The list of endpoints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from endpoints.models import Endpoint, Event
from endpoints.steps import Reason
from replicas import progress
from replicas.fragments.rollouts import rollouts_of, wanted_of
from replicas.models import Replica
from replicas.page import details, listing
from replicas.page.facts import Facts, Seen
from replicas.states import ReplicaState


def list_context(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The list page. `endpoints` with their tiers; six more queries at most."""
    now = timezone.now()
    alive: dict[int, list[Replica]] = defaultdict(list)
    ids = [e.pk for e in endpoints]
    for replica in Replica.objects.alive().filter(endpoint_id__in=ids):
        alive[replica.endpoint_id].append(replica)
    how_far = progress.read(
        r.pk
        for replicas in alive.values()
        for r in replicas
        if r.state in (ReplicaState.PULLING, ReplicaState.STARTING)
    )
    rollouts = rollouts_of(endpoints, wanted_of(endpoints), alive)
    paused = _pauses([e.pk for e in endpoints if e.paused])
    lines = []
    for endpoint in endpoints:
        seen = tuple(
            Seen(replica=r, last_progress=how_far.get(r.pk)) for r in alive[endpoint.pk]
        )
        facts = Facts(
            endpoint=endpoint,
            now=now,
            replicas=seen,
            rollout=rollouts.get(endpoint.pk),
        )
        lines.append(listing.line(facts, paused.get(endpoint.pk)))
    return {
        "now": now,
        "lines": lines,
        "tally": listing.tally(endpoints),
        "coming": {
            pk
            for pk, replicas in alive.items()
            if any(details.is_coming(r.state) for r in replicas)
        },
    }


def _pauses(endpoint_ids: Sequence[int]) -> dict[int, Event]:
    events = Event.objects.filter(endpoint_id__in=endpoint_ids, reason=Reason.PAUSED)
    return {event.endpoint_id: event for event in events.order_by("at", "id")}
