"""Keeping everybody else away from rows until the transaction ends.

SQLite lets one transaction write at a time, from its first statement on: what one of
them reads nobody changes under it. PostgreSQL lets all of them in and shows each what
was committed so far. Whoever decides from rows what to write takes hold of them first.
docs/adr/0018-two-databases.md says who holds what, and in which order.
"""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import QuerySet


def hold(rows: QuerySet[Any]) -> None:
    """Wait until nobody else has these rows; they are ours until the transaction ends.

    Rows that only refer to them can be written meanwhile.
    """
    if connection.features.has_select_for_update:
        held = rows.order_by("pk").select_for_update(no_key=True)
        list(held.values_list("pk", flat=True))
