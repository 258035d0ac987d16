"""The last hour of each place of an endpoint, of replicas that ended as well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from endpoints.models import Endpoint, Event
from replicas.models import Replica
from replicas.page.ribbons import REASONS, SPAN, Ribbon, ribbons
from replicas.states import ReplicaState

# An endpoint that comes and goes with its traffic has many that ended.
_ENDED = 60
_EVENTS = 600


def ribbons_of(
    endpoint: Endpoint,
    shown: Sequence[Replica],
    events: Iterable[Event],
    now: datetime,
) -> list[Ribbon]:
    """events: those of the replicas `shown`; of others that ended within the hour they
    are read here."""
    numbers = {replica.pk: replica.number for replica in shown}
    ended = endpoint.replicas.filter(
        state=ReplicaState.STOPPED, since__gte=now - SPAN
    ).exclude(pk__in=numbers)
    newest = ended.order_by("-since").values_list("pk", "number")
    others = dict(newest[:_ENDED])
    if others:
        told = endpoint.events.filter(replica_id__in=others, reason__in=REASONS)
        past = list(reversed(told.order_by("-at", "-id")[:_EVENTS]))
        return ribbons(numbers | others, [*past, *events], now)
    return ribbons(numbers, events, now)
