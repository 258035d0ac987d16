"""The form for a new token."""

from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError

from endpoints import rules


class TokenForm(forms.Form):
    name = forms.CharField(
        error_messages={"required": "Give the token a name."},
    )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if problem := rules.text_problem(name, rules.DISPLAY_NAME_MAX):
            raise ValidationError(problem)
        return name
