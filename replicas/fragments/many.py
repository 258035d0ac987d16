"""The list of endpoints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.urls import reverse
from django.utils import timezone

from endpoints.models import Endpoint, Event
from endpoints.steps import Reason
from replicas import progress
from replicas.fragments.rollouts import rollouts_of, wanted_of
from replicas.fragments.sparks import traffic_of
from replicas.models import Replica
from replicas.page import details, listing
from replicas.page.facts import Facts, Seen, Usual
from replicas.states import ReplicaState

# What a row needs of a replica; there may be thousands.
_COLUMNS = (
    "endpoint_id", "number", "state", "since", "revision_id", "ready_at",
    "silent_since", "exit_code", "trouble", "trouble_text",
)  # fmt: skip
_PAGES = {
    "page": "replicas:endpoint",
    "pause": "replicas:pause",
    "resume": "replicas:resume",
    "restart": "replicas:restart",
    "delete": "replicas:delete",
    "edit": "endpoints:edit",
    "clone": "endpoints:clone_endpoint",
    "save": "endpoints:save_template",
}
# Starts that are looked at, for the whole list and of one endpoint.
_STARTS_READ, _STARTS_COUNTED = 1000, 5
# Stands for the name in an address, which no name contains.
_NAME = "__name__"


def listed(user: AbstractBaseUser | AnonymousUser) -> list[Endpoint]:
    """What this person's list shows, with tiers."""
    rows = Endpoint.objects.visible_to(user).select_related("tier")
    return list(rows.defer("description"))


def list_context(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The list page. `endpoints` with their tiers; eight more queries at most."""
    now = timezone.now()
    alive: dict[int, list[Replica]] = defaultdict(list)
    ids = [e.pk for e in endpoints]
    for replica in Replica.objects.alive().filter(endpoint_id__in=ids).only(*_COLUMNS):
        alive[replica.endpoint_id].append(replica)
    how_far = progress.read(
        r.pk
        for replicas in alive.values()
        for r in replicas
        if r.state in (ReplicaState.PULLING, ReplicaState.STARTING)
    )
    rollouts = rollouts_of(endpoints, wanted_of(endpoints), alive)
    paused = _pauses([e.pk for e in endpoints if e.paused])
    traffic = traffic_of(ids, now)
    usual = _usual_of([e.pk for e in endpoints if not e.wanted_count and not e.paused])
    addresses = {key: reverse(view, args=[_NAME]) for key, view in _PAGES.items()}
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
            usual=usual.get(endpoint.pk, Usual()),
        )
        to = {k: where.replace(_NAME, endpoint.name) for k, where in addresses.items()}
        line = listing.line(facts, paused.get(endpoint.pk), to, traffic[endpoint.pk])
        lines.append(line)
    return {
        "now": now,
        "lines": lines,
        "tally": listing.tally(endpoints),
        "traffic": traffic,
        "coming": {
            pk
            for pk, replicas in alive.items()
            if any(details.is_coming(r.state) for r in replicas)
        },
    }


def _usual_of(endpoint_ids: Sequence[int]) -> dict[int, Usual]:
    """How long the newest starts took, of endpoints that a request would wake."""
    if not endpoint_ids:
        return {}
    rows = Replica.objects.filter(
        endpoint_id__in=endpoint_ids, attempt=1, answered_at__isnull=False
    ).order_by("-id")
    took: dict[int, list[float]] = defaultdict(list)
    for pk, began, answered in rows.values_list(
        "endpoint_id", "created_at", "answered_at"
    )[:_STARTS_READ]:
        if answered and len(took[pk]) < _STARTS_COUNTED:
            took[pk].append((answered - began).total_seconds())
    return {pk: Usual(start=median(seconds)) for pk, seconds in took.items()}


def _pauses(endpoint_ids: Sequence[int]) -> dict[int, Event]:
    events = Event.objects.filter(endpoint_id__in=endpoint_ids, reason=Reason.PAUSED)
    return {event.endpoint_id: event for event in events.order_by("at", "id")}
