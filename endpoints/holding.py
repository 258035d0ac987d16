"""Keeping everybody else away from rows until the transaction ends.

SQLite lets one transaction write at a time, from its first statement on: what one of
them reads nobody changes under it. PostgreSQL lets all of them in and shows each what
was committed so far. Whoever decides from rows what to write takes hold of them first.
docs/adr/0018-two-databases.md says who holds what, and in which order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from endpoints.models import Endpoint


def hold(rows: QuerySet[Any], *, going: bool = False) -> None:
    """Wait until nobody else has these rows; they are ours until the transaction ends.

    Rows that only refer to them can be written meanwhile, unless these are `going`.
    """
    if connection.features.has_select_for_update:
        held = rows.order_by("pk").select_for_update(no_key=not going)
        list(held.values_list("pk", flat=True))


@contextmanager
def held(endpoint: Endpoint) -> Iterator[Endpoint]:
    """The row as it is now; nobody else changes it until the block ends.

    Raises Endpoint.DoesNotExist when it is gone.
    """
    with transaction.atomic():
        yield Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
