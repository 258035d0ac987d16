"""The charts of one endpoint."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from endpoints.models import Endpoint
from replicas.metrics import store
from replicas.page.charts import charts, had_requests
from replicas.page.spans import RANGES, range_of


def charts_context(endpoint: Endpoint, asked: object) -> dict[str, Any]:
    """Of the range `asked` ("6h"), or the first one. Two queries."""
    wanted = range_of(asked)
    series = store.read(endpoint.pk, wanted.seconds, timezone.now())
    context: dict[str, Any] = {
        "endpoint": endpoint,
        "range": wanted,
        "ranges": RANGES,
        "charts": None,
    }
    if endpoint.last_request_at or had_requests(series):
        context["charts"], context["more_charts"] = charts(series, wanted)
    return context
