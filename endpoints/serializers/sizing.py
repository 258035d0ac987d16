"""How many replicas run, and when, as the API reads and shows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from endpoints import rules, week
from endpoints.models import Endpoint
from endpoints.schedule import InForce, Window
from endpoints.serializers.endpoint import shown_time
from endpoints.serializers.fields import (
    CountField,
    EmptyableField,
    MomentField,
    RuledField,
    StrictSerializer,
)

_LONGEST = rules.WARM_DAYS_MAX * 86_400
_SECONDS = f"Enter 1 to {_LONGEST:,} seconds."
_ONE = "Send either until or seconds."
_LIST = "Send a list."
_WINDOWS = "Send a list of windows; an empty one is no schedule."
_DAYS = f"Choose from {', '.join(week.DAYS)}."


class SizeSerializer(serializers.Serializer[Any]):
    """How many replicas an endpoint wants at this moment."""

    name = serializers.CharField()
    phase = serializers.CharField(help_text="What it is up to.")
    min_replicas = serializers.IntegerField()
    max_replicas = serializers.IntegerField()
    minimum = serializers.IntegerField(
        help_text="The minimum in force now: by the schedule, by warmth, or its own."
    )
    wanted = serializers.IntegerField(help_text="Replicas that should run now.")
    warm_until = serializers.DateTimeField(allow_null=True)
    last_request_at = serializers.DateTimeField(allow_null=True)
    changed = serializers.BooleanField(help_text="Whether this call changed anything.")


def shown_size(endpoint: Endpoint, *, changed: bool) -> dict[str, Any]:
    return {
        "name": endpoint.name,
        "phase": endpoint.phase,
        "min_replicas": endpoint.min_replicas,
        "max_replicas": endpoint.max_replicas,
        "minimum": endpoint.minimum,
        "wanted": endpoint.wanted_count,
        "warm_until": shown_time(endpoint.warm_until),
        "last_request_at": shown_time(endpoint.last_request_at),
        "changed": changed,
    }


class KeepWarmSerializer(StrictSerializer):
    """Until when; `moment` of what was checked is that time, or None."""

    until = MomentField(
        required=False, allow_null=True, help_text="null: not any longer."
    )
    seconds = CountField(1, _LONGEST, _SECONDS, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        now = timezone.now()
        if len(attrs) != 1:
            raise serializers.ValidationError({"until": [_ONE]})
        if "seconds" in attrs:
            return {"moment": now + timedelta(seconds=attrs["seconds"])}
        until: datetime | None = attrs["until"]
        if until is not None and (problem := rules.warm_problem(until, now)):
            raise serializers.ValidationError({"until": [problem]})
        return {"moment": until}


class ClockField(RuledField):
    """A time of day, "09:00"."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            lambda text: "" if week.time_of(text) else week.NO_TIME, **kwargs
        )


class WindowSerializer(StrictSerializer):
    """A time of the week with a minimum of its own."""

    days = serializers.ListField(
        child=serializers.ChoiceField(
            choices=week.DAYS,
            error_messages={"invalid_choice": _DAYS, "null": _DAYS},
        ),
        allow_empty=False,
        error_messages={
            **dict.fromkeys(("required", "null", "empty"), week.NO_DAYS),
            "not_a_list": _LIST,
        },
    )
    begins = ClockField(help_text="By the clocks of the time zone.")
    ends = ClockField(
        help_text="When it is not after the beginning, it is on the next day."
    )
    min_replicas = CountField(0, rules.REPLICAS_MAX, rules.scale_problem(-1, 1))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        kept, most = attrs["min_replicas"], self.context["most"]
        if problem := week.keep_problem(kept, most):
            raise serializers.ValidationError({"min_replicas": [problem]})
        return attrs


class ScheduleSerializer(StrictSerializer):
    """The weekly schedule of an endpoint's minimum. context `most`: its maximum."""

    time_zone = EmptyableField(
        week.zone_problem,
        help_text='A place such as "Europe/Berlin"; empty: the console\'s.',
    )
    windows = WindowSerializer(
        many=True,
        error_messages=dict.fromkeys(("required", "null", "not_a_list"), _WINDOWS),
    )
    minimum = serializers.IntegerField(
        read_only=True, help_text="The minimum in force now."
    )
    changes_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="When another comes; null: never."
    )

    def validate_windows(self, windows: list[Any]) -> list[Any]:
        if len(windows) > week.WINDOWS_MAX:
            raise serializers.ValidationError(
                f"Keep it to {week.WINDOWS_MAX} times of the week."
            )
        return windows


def windows_asked(data: dict[str, Any]) -> list[Window]:
    """Of a ScheduleSerializer's checked data."""
    return [
        Window(
            week.bits_of(one["days"]),
            week.time_of(one["begins"]) or time(),
            week.time_of(one["ends"]) or time(),
            one["min_replicas"],
        )
        for one in data["windows"]
    ]


def shown_schedule(
    endpoint: Endpoint, windows: Sequence[Window], force: InForce
) -> dict[str, Any]:
    own = endpoint.min_replicas
    return {
        "time_zone": endpoint.schedule_zone,
        "windows": [
            {
                "days": week.days_of(window.days),
                "begins": f"{window.begins:%H:%M}",
                "ends": f"{window.ends:%H:%M}",
                "min_replicas": window.min_replicas,
            }
            for window in windows
        ],
        "minimum": own if force.minimum is None else force.minimum,
        "changes_at": shown_time(force.until),
    }
