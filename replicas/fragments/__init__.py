"""Gathers what the pages show, and draws their fragments.

A fragment is one element with an id; page and socket draw it from the same partial of
the same template, so that a swapped fragment is what a reload would have shown.
"""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string

from replicas.fragments.charts import charts_context
from replicas.fragments.endpoint import endpoint_context
from replicas.fragments.many import list_context, listed
from replicas.fragments.rollouts import revision_lines, revisions_context
from replicas.fragments.sparks import traffic_of
from replicas.hardware import hardware_for

__all__ = [
    "CHARTS",
    "CHARTS_FRAGMENT",
    "DIALOG",
    "DIALOG_FRAGMENTS",
    "ENDPOINT_FRAGMENTS",
    "HARDWARE_FRAGMENTS",
    "LIST_FRAGMENTS",
    "charts_context",
    "draw",
    "endpoint_context",
    "hardware_context",
    "list_context",
    "listed",
    "revision_lines",
    "revisions_context",
    "traffic_of",
]

# Element id -> the partial that draws it.
ENDPOINT_FRAGMENTS = {
    name: f"replicas/endpoint.html#{name}"
    for name in (
        "ep-status",
        "ep-menu",
        "ep-url-state",
        "ep-scale",
        "ep-panel",
        "ep-earlier",
        "ep-config",
        "ep-activity",
    )
} | {
    "ep-schedule": "replicas/schedule_section.html",
    "ep-warm": "replicas/warm_end.html",
    "ep-snippets": "endpoints/try_snippets.html",
    "ep-access": "endpoints/share_card.html#ep-access",
}
# Drawn at its own pace: it follows the time, not the news.
CHARTS = "ep-charts"
CHARTS_FRAGMENT = {CHARTS: "replicas/charts.html"}
DIALOG = "replica-detail"
DIALOG_FRAGMENTS = {DIALOG: "replicas/dialog.html"}
LIST_FRAGMENTS = {
    name: f"replicas/list.html#{name}" for name in ("list-tally", "list-rows")
}
HARDWARE_FRAGMENTS = {
    "gpu-meter": "replicas/meter.html",
    "engine-down": "console/engine.html",
}


def draw(fragments: dict[str, str], context: dict[str, Any]) -> dict[str, str]:
    """HTML by element id."""
    return {
        element: render_to_string(template, context)
        for element, template in fragments.items()
    }


def hardware_context(user_id: int | None) -> dict[str, Any]:
    return {"hardware": hardware_for(user_id)}
