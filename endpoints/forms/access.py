"""The forms for a new token and a new share link."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils import timezone

from endpoints import rules
from endpoints.models import Endpoint, Scope

_DAY = timedelta(days=1)
# How long something opens, by what the form sends; None: it does not end.
_LIVES: dict[str, tuple[str, timedelta | None]] = {
    "1h": ("In an hour", timedelta(hours=1)),
    "1d": ("In a day", _DAY),
    "7d": ("In 7 days", 7 * _DAY),
    "30d": ("In 30 days", 30 * _DAY),
    "90d": ("In 90 days", 90 * _DAY),
    "1y": ("In a year", 365 * _DAY),
    "": ("Never", None),
}


def _ends(*values: str, initial: str) -> forms.ChoiceField:
    return forms.ChoiceField(
        choices=[(value, _LIVES[value][0]) for value in values],
        initial=initial,
        required="" not in values,
        error_messages=dict.fromkeys(
            ("required", "invalid_choice"), "Choose when it expires."
        ),
    )


def _name(name: str) -> str:
    if problem := rules.text_problem(name, rules.DISPLAY_NAME_MAX):
        raise ValidationError(problem)
    return name


class _Ending(forms.Form):
    @property
    def expires_at(self) -> datetime | None:
        """When it ends, counted from now; only of a form that is valid."""
        life = _LIVES[self.cleaned_data["expires"]][1]
        return timezone.now() + life if life else None


class TokenForm(_Ending):
    name = forms.CharField(error_messages={"required": "Give the token a name."})
    scope = forms.ChoiceField(
        choices=[
            (Scope.CALL_ALL, "All endpoints"),
            (Scope.CALL_SOME, "Chosen endpoints"),
            (Scope.MANAGE, "All endpoints, and this console’s API"),
        ],
        initial=Scope.CALL_ALL,
        error_messages=dict.fromkeys(
            ("required", "invalid_choice"), "Choose what it can use."
        ),
    )
    endpoints = forms.ModelMultipleChoiceField(
        Endpoint.objects.none(),
        to_field_name="name",
        required=False,
        error_messages={"invalid_choice": "“%(value)s” is not there any more."},
    )
    expires = _ends("1d", "7d", "30d", "90d", "1y", "", initial="90d")

    def __init__(self, *args: Any, seen: QuerySet[Endpoint], **kwargs: Any) -> None:
        """seen: the endpoints it may be made for."""
        super().__init__(*args, **kwargs)
        chosen = self.fields["endpoints"]
        assert isinstance(chosen, forms.ModelMultipleChoiceField)  # noqa: S101 - types
        chosen.queryset = seen

    def clean_name(self) -> str:
        return _name(self.cleaned_data["name"])

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        some = data.get("scope") == Scope.CALL_SOME
        if some and not data.get("endpoints") and "endpoints" not in self.errors:
            self.add_error("endpoints", "Choose at least one endpoint.")
        return data


class ShareForm(_Ending):
    name = forms.CharField(required=False)
    expires = _ends("1h", "1d", "7d", "30d", "90d", initial="7d")

    def clean_name(self) -> str:
        return _name(self.cleaned_data["name"])
