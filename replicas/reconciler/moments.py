"""Spans of time by clocks that somebody may set, or that are not ours. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

# What was written this far in the future was so before somebody set the clock back.
AHEAD = timedelta(seconds=5)


def due(begun: datetime, limit: timedelta, now: datetime) -> datetime:
    """When what began then is over; now, where nobody knows how long ago it was."""
    return now if begun > now + AHEAD else begun + limit


def told(by_engine: datetime, since: datetime, now: datetime) -> datetime:
    """A moment after `since` by the engine's clock, which may be another than ours."""
    return by_engine if since <= by_engine <= now + AHEAD else since
