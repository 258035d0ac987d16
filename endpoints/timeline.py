"""The story of an endpoint. The only writer of `Event`.

Reasons are listed in endpoints/steps.py with the words people read.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction

from endpoints import live
from endpoints.holding import hold
from endpoints.models import Endpoint, Event
from endpoints.steps import REASONS, Reason


def record(
    endpoint: Endpoint,
    reason: Reason,
    message: str = "",
    *,
    replica_id: int | None = None,
    attempt: int = 0,
    actor: str = "",
    data: dict[str, Any] | None = None,
) -> Event:
    """Add one line and tell open pages.

    message: the sentence under the line's title, without secrets. data: values the
    title needs (such as `port`) and facts for machines.
    """
    with transaction.atomic(savepoint=False):
        # One line after the other: who reads on after a number misses none.
        hold(Endpoint.objects.filter(pk=endpoint.pk))
        event = Event.objects.create(
            endpoint=endpoint,
            reason=reason,
            warning=REASONS[reason].warning,
            message=message,
            replica_id=replica_id,
            attempt=attempt,
            actor=actor,
            data=data or {},
        )
        live.changed(endpoint.pk, endpoint.owner_id)
    return event


# What somebody does to the settings that a form shows.
_SETTINGS = (
    Reason.CHANGED,
    Reason.REVISED,
    Reason.ROLLED_BACK,
    Reason.SCALED,
    Reason.OPENED,
    Reason.CLOSED,
)


def last_hand(endpoint: Endpoint) -> str:
    """Who changed the settings last; "" when nobody did or nobody is named."""
    rows = endpoint.events.filter(reason__in=_SETTINGS).order_by("-at", "-id")
    return rows.values_list("actor", flat=True).first() or ""
