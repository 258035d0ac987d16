"""Events and accounts as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

from endpoints import steps
from endpoints.models import Endpoint, Event
from endpoints.serializers.fields import CountField, StrictSerializer

EVENTS_MAX = 1000
# Above any row there can be; a larger number would not fit a column.
ID_MAX = 2**53


class ReplicaQuery(StrictSerializer):
    """Which replica is meant."""

    replica_id = CountField(
        1, ID_MAX, "Enter a replica_id as the API gave it.", required=False
    )


class EventQuery(ReplicaQuery):
    """Which events are wanted."""

    after = CountField(
        0,
        ID_MAX,
        "Enter the id of an event.",
        required=False,
        help_text="Only events after the one with this id.",
    )


class EventBodySerializer(serializers.Serializer[Any]):
    type = serializers.CharField(help_text="A word for machines.")
    level = serializers.ChoiceField(choices=("normal", "warning"))
    title = serializers.CharField(help_text='Such as "Replica is running".')
    details = serializers.CharField(help_text="The title and what is known more.")


class EventSerializer(serializers.Serializer[Any]):
    """One line of the story. `replica_id` is null for what concerns the endpoint."""

    id = serializers.IntegerField()
    timestamp = serializers.DateTimeField()
    replica_id = serializers.CharField(allow_null=True)
    attempt = serializers.IntegerField(help_text="Which container of that replica.")
    actor = serializers.CharField(help_text="Who did it; empty for the console.")
    event = EventBodySerializer()


class AccountSerializer(serializers.Serializer[Any]):
    account_key = serializers.CharField()
    name = serializers.CharField()
    email = serializers.CharField()
    admin = serializers.BooleanField()


class PublicEndpointSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    endpoint = serializers.URLField()
    template = serializers.CharField()


def shown_event(event: Event) -> dict[str, Any]:
    title = steps.title(event.reason, event.data)
    details = title
    if event.message:
        details = f"{title}{'' if title.endswith('.') else '.'} {event.message}"
    return {
        "id": event.pk,
        "timestamp": event.at.isoformat().replace("+00:00", "Z"),
        "replica_id": str(event.replica_id) if event.replica_id else None,
        "attempt": event.attempt,
        "actor": event.actor,
        "event": {
            "type": event.reason,
            "level": "warning" if event.warning else "normal",
            "title": title,
            "details": details,
        },
    }


def events_after(
    endpoint: Endpoint, *, after: int | None = None, replica_id: int | None = None
) -> Sequence[Event]:
    """Up to EVENTS_MAX, oldest first: the ones after `after`, or the newest."""
    events = Event.objects.filter(endpoint_id=endpoint.pk)
    if replica_id is not None:
        events = events.filter(replica_id=replica_id)
    if after is not None:
        return list(events.filter(pk__gt=after).order_by("pk")[:EVENTS_MAX])
    return list(events.order_by("-pk")[:EVENTS_MAX])[::-1]
