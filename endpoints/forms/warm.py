"""How long an endpoint is kept warm: until a time of day, or for some hours."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from endpoints import rules, sizing, week
from endpoints.models import Endpoint

_WHEN = 'Write a time of day, such as "18:00".'
_HOURS = "Choose one of the times that are offered."


class WarmForm(forms.Form):
    """`until` is a time of day in `zone`, today or else tomorrow; `hours` counts from
    now; `end` takes it back. zone: the browser's, "" for the endpoint's."""

    until = forms.CharField(required=False)
    hours = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=rules.WARM_DAYS_MAX * 24,
        error_messages={
            "invalid": _HOURS,
            "min_value": _HOURS,
            "max_value": _HOURS,
        },
    )
    end = forms.BooleanField(required=False)
    zone = forms.CharField(required=False)

    def __init__(self, *args: Any, endpoint: Endpoint, **kwargs: Any) -> None:
        self.endpoint = endpoint
        self.now = timezone.now()
        super().__init__(*args, **kwargs)

    @property
    def shown_zone(self) -> str:
        """The zone that times are in as long as no browser says another."""
        return sizing.zone_of(self.endpoint)

    @property
    def problem(self) -> str:
        """What is wrong, in one sentence; "" when nothing is."""
        if not self.is_bound or self.is_valid():
            return ""
        return next(str(errors[0]) for errors in self.errors.values())

    def clean_zone(self) -> str:
        """A browser may know a zone that is not known here."""
        zone: str = self.cleaned_data["zone"]
        return self.shown_zone if not zone or week.zone_problem(zone) else zone

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if self.errors:
            return data
        data["moment"] = None if data["end"] else self._moment(data)
        return data

    def _moment(self, data: dict[str, Any]) -> datetime:
        if data["hours"]:
            return self.now + timedelta(hours=data["hours"])
        clock = week.time_of(data["until"])
        if clock is None:
            raise ValidationError(_WHEN)
        here = self.now.astimezone(ZoneInfo(data["zone"]))
        asked = datetime.combine(here.date(), clock, here.tzinfo)
        return asked if asked > here else asked + timedelta(days=1)

    @property
    def moment(self) -> datetime | None:
        """Until when; None to take it back. Only for a form that is valid."""
        until: datetime | None = self.cleaned_data["moment"]
        return until

    @property
    def said(self) -> str:
        """What was done, for the person who did it. Only for a form that is valid."""
        if self.moment is None:
            return "No longer kept warm"
        zone = ZoneInfo(self.cleaned_data["zone"])
        local, today = self.moment.astimezone(zone), self.now.astimezone(zone).date()
        days = (local.date() - today).days
        on = f" on {local.day} {local:%B}" if days > 1 else " tomorrow" if days else ""
        return f"Kept warm until {local:%H:%M}{on}"
