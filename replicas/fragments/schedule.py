"""The weekly schedule, as it is and as somebody types it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django.utils import timezone

from endpoints import schedule, sizing, week
from endpoints.models import Endpoint
from endpoints.schedule import Window
from replicas.page.weeks import force_words, week_lines


def week_context(
    endpoint: Endpoint, windows: Sequence[Window], zone: str
) -> dict[str, Any]:
    """The picture of these windows, and what they keep at this moment.

    zone: as typed; the usual one stands in for one that is not known.
    """
    now = timezone.now()
    place = sizing.zone_of(Endpoint(schedule_zone=zone))
    if week.zone_problem(place):
        place = sizing.zone_of(Endpoint())
    force = schedule.in_force(
        windows, place, endpoint.warm_until, endpoint.min_replicas, now
    )
    return {
        "days": week_lines(windows, place, now),
        "kept": force_words(endpoint.min_replicas, force, now),
        "place": place,
    }


def schedule_of(endpoint: Endpoint) -> dict[str, Any] | None:
    """What the endpoint's page shows of it; None while there is none. One query."""
    windows = sizing.windows_of(endpoint)
    if not windows:
        return None
    words = [week.window_words(window) for window in windows]
    return {"words": words, **week_context(endpoint, windows, endpoint.schedule_zone)}


@cache
def zones() -> tuple[str, ...]:
    """Places a person may mean, for the list of suggestions."""
    return tuple(sorted(z for z in available_timezones() if "/" in z or z == "UTC"))
