"""Which requests are to be sent now."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from uuid import UUID

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from endpoints.asynchronous import UNFINISHED
from endpoints.models import AsyncRequest

# Requests that are sent at a time, in all.
TOGETHER = 256


def due(in_hand: Collection[UUID]) -> dict[UUID, int]:
    """The requests to have in hand now, and whose endpoint each is for.

    What is in hand stays until it is finished. Of each endpoint as many as its replicas
    take at its maximum, oldest first: the scaler sees them, and other callers are not
    turned away. Endpoints take turns where there are too many.
    """
    rank = Window(
        RowNumber(), partition_by=F("endpoint_id"), order_by=["created_at", "id"]
    )
    room = F("endpoint__concurrency") * F("endpoint__max_replicas")
    unfinished = AsyncRequest.objects.filter(
        state__in=UNFINISHED, endpoint__deleting=False
    )
    rows = unfinished.annotate(rank=rank, room=room).filter(rank__lte=F("room"))
    found = rows.order_by("rank", "endpoint_id").values_list("pk", "endpoint_id")
    held = dict(unfinished.filter(pk__in=in_hand).values_list("pk", "endpoint_id"))
    fresh = (pair for pair in found[:TOGETHER] if pair[0] not in held)
    return held | dict(islice(fresh, TOGETHER - len(held)))
