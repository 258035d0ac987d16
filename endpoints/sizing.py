"""The verbs on how many replicas run: for traffic, people, and the schedule.

Each is one transaction: the number, its line on the timeline, and the news on commit.
They write `target_count` and `minimum_now`; replicas follow when the reconciler looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from endpoints import schedule, signals, timeline
from endpoints.holding import held
from endpoints.models import Endpoint, ScheduleWindow
from endpoints.schedule import InForce, Window
from endpoints.steps import Reason

# Requests that wait knock again and again: what is as new as this is not written anew.
_FRESH = timedelta(seconds=4)


class StaysAwake(Exception):
    """It cannot be put to sleep now; the text says why, and what to do."""


def resize(
    endpoint: Endpoint,
    count: int,
    why: str,
    *,
    reason: Reason = Reason.RESIZED,
    data: dict[str, Any] | None = None,
) -> bool:
    """Let `count` replicas run, if nobody changed the number since `endpoint` was read.

    why: the sentence under "3 → 5", such as "23 in flight, target 5 each." `reason` is
    SLEPT for a 0 that traffic did not ask for. False when the decision is out of date:
    `endpoint` then still has the old number.
    """
    with transaction.atomic():
        rows = Endpoint.objects.alive().filter(
            pk=endpoint.pk,
            paused=False,
            target_count=endpoint.target_count,
            minimum_now=endpoint.minimum_now,
            last_request_at=endpoint.last_request_at,
        )
        if not rows.update(target_count=count):
            return False
        told = {"old": endpoint.wanted_count, "new": count, **(data or {})}
        endpoint.target_count = count
        timeline.record(endpoint, reason, why, data=told)
        signals.announce(endpoint.pk)
    return True


def wake(endpoint: Endpoint, actor: str = "", why: str = "") -> bool:
    """Let one replica run where none does. False when one does, or none may.

    actor: who pressed the button; "" for a request, which then counts as traffic.
    """
    now = timezone.now()
    if not actor and _just_knocked(endpoint, now):
        return False
    with held(endpoint) as row:
        if row.paused or row.deleting:
            return False
        woken = row.wanted_count == 0
        if woken:
            row.target_count = 1
            text = why or ("" if actor else "A request asked for it.")
            timeline.record(row, Reason.WOKEN, text, actor=actor)
            signals.announce(row.pk)
        if not actor:
            row.last_request_at = now
        row.save(update_fields=["target_count", "last_request_at"])
    endpoint.refresh_from_db(fields=["target_count", "last_request_at"])
    return woken


def _just_knocked(endpoint: Endpoint, now: datetime) -> bool:
    """Nothing would be written for this request: most of a hundred that wait."""
    row = Endpoint.objects.get(pk=endpoint.pk)
    last = row.last_request_at
    # A time to come is one of a clock that was put back.
    return bool(row.wanted_count and last and last <= now < last + _FRESH)


def sleep(endpoint: Endpoint, actor: str) -> bool:
    """Stop its replicas until the next request; what is open is let finish.

    False when none was wanted. Raises StaysAwake.
    """
    with held(endpoint) as row:
        if row.paused:
            msg = "It is paused and runs nothing. Resume it to let requests wake it."
            raise StaysAwake(msg)
        if not row.wanted_count:
            return False
        if row.minimum:
            raise StaysAwake(_why_awake(row, timezone.now()))
        row.target_count = 0
        row.save(update_fields=["target_count"])
        timeline.record(row, Reason.SLEPT, actor=actor)
        signals.announce(row.pk)
    endpoint.refresh_from_db(fields=["target_count"])
    return True


def _why_awake(row: Endpoint, now: datetime) -> str:
    if row.warm_until is not None and row.warm_until > now:
        until = _clock(row, row.warm_until, now)
        return f"It is kept warm until {until}. End that first, or wait until then."
    force = minimum_of(row, now)
    if force.minimum:
        return (
            f"Its schedule keeps {_kept(row, force.minimum)}{_until(row, force, now)}. "
            "Change the schedule to let it sleep."
        )
    return (
        f"Its minimum keeps {_replicas(row.minimum)} running. "
        "Set the minimum to 0 to let it sleep."
    )


def keep_warm(endpoint: Endpoint, until: datetime | None, actor: str) -> None:
    """Run one replica at least until then (aware); None: no longer than usual."""
    now = timezone.now()
    with held(endpoint) as row:
        if row.warm_until == until:
            return
        row.warm_until = until
        row.save(update_fields=["warm_until"])
        if until is None:
            timeline.record(row, Reason.COOLED, actor=actor)
        else:
            text = f"One replica at least until {_clock(row, until, now)}."
            data = {"until": until.isoformat()}
            timeline.record(row, Reason.WARMED, text, actor=actor, data=data)
        _enforce(row, minimum_of(row, now))
        signals.announce(row.pk)
    endpoint.refresh_from_db(fields=["warm_until", "minimum_now", "target_count"])


def set_schedule(
    endpoint: Endpoint, windows: Sequence[Window], zone: str, actor: str
) -> None:
    """Keep these windows in place of those it has. zone: IANA, "" for the console's."""
    with held(endpoint) as row:
        if zone == row.schedule_zone and sorted(windows) == sorted(windows_of(row)):
            return
        row.schedule_zone = zone
        row.save(update_fields=["schedule_zone"])
        row.windows.all().delete()
        ScheduleWindow.objects.bulk_create(
            ScheduleWindow(
                endpoint=row,
                days=window.days,
                begins=window.begins,
                ends=window.ends,
                min_replicas=window.min_replicas,
            )
            for window in windows
        )
        times = f"{len(windows)} {'time' if len(windows) == 1 else 'times'} of the week"
        text = (
            f"{times} with a minimum of {'its' if len(windows) == 1 else 'their'} own."
        )
        timeline.record(
            row, Reason.SCHEDULED, text if windows else "No schedule.", actor=actor
        )
        _enforce(row, minimum_of(row, timezone.now()))
        signals.announce(row.pk)
    endpoint.refresh_from_db(fields=["schedule_zone", "minimum_now", "target_count"])


def windows_of(endpoint: Endpoint) -> list[Window]:
    return [
        Window(row.days, row.begins, row.ends, row.min_replicas)
        for row in endpoint.windows.all()
    ]


def zone_of(endpoint: Endpoint) -> str:
    zone: str = endpoint.schedule_zone or settings.TIME_ZONE
    return zone


def minimum_of(endpoint: Endpoint, now: datetime) -> InForce:
    """What schedule and warmth say at this moment, whatever the row has."""
    return schedule.in_force(
        windows_of(endpoint),
        zone_of(endpoint),
        endpoint.warm_until,
        endpoint.min_replicas,
        now,
    )


def enforce_minimum(endpoint: Endpoint, force: InForce) -> bool:
    """Write the minimum in force, if it is another. Replicas that no longer have to
    run stay until traffic has not needed them for the idle timeout."""
    with held(endpoint) as row:
        before = row.wanted_count
        if row.deleting or not _enforce(row, force):
            return False
        if row.wanted_count != before:
            until = _until(row, force, timezone.now())
            text = f"The schedule keeps {_kept(row, row.minimum)}{until}."
            data = {"old": before, "new": row.wanted_count}
            timeline.record(row, Reason.RESIZED, text, data=data)
            signals.announce(row.pk)
    endpoint.refresh_from_db(fields=["minimum_now", "target_count"])
    return True


def _enforce(row: Endpoint, force: InForce) -> bool:
    if row.minimum_now == force.minimum:
        return False
    # What ran for the old minimum goes only when the scaler has seen it idle.
    row.target_count = min(max(row.target_count, row.minimum), row.max_replicas)
    row.minimum_now = force.minimum
    row.save(update_fields=["minimum_now", "target_count"])
    return True


def _until(row: Endpoint, force: InForce, now: datetime) -> str:
    return f" until {_clock(row, force.until, now)}" if force.until else ""


def _clock(row: Endpoint, moment: datetime, now: datetime) -> str:
    """ "18:00", with the date when that is not today."""
    zone = ZoneInfo(zone_of(row))
    local = moment.astimezone(zone)
    if local.date() == now.astimezone(zone).date():
        return f"{local:%H:%M}"
    return f"{local:%H:%M} on {local.day} {local:%B}"


def _kept(row: Endpoint, minimum: int) -> str:
    """So many of its replicas; a schedule may be older than a lower maximum."""
    return _replicas(min(minimum, row.max_replicas))


def _replicas(count: int) -> str:
    return f"{count} {'replica' if count == 1 else 'replicas'}"
