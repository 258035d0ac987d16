"""The forms for secrets and registry sign-ins.

What was typed outlives an error: a secret's value sealed in a hidden field, as in
endpoints.forms.environment; a password not at all.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from endpoints import rules, vault
from endpoints.models import RegistryCredential
from endpoints.sealing import SealBroken, seal, unseal


def _judged(problem: str) -> None:
    if problem:
        raise ValidationError(problem)


class ValueForm(forms.Form):
    """A secret's value: what is typed, or `kept` from the page before."""

    value = forms.CharField(required=False, strip=False)
    kept = forms.CharField(required=False)

    @property
    def kept_value(self) -> str:
        """The typed value for the page that asks again, sealed; "" without one."""
        typed = self.data.get("value", "") if self.is_bound else ""
        if typed:
            return seal(_lines(typed))
        return self.data.get("kept", "") if self.is_bound else ""

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        value = _lines(data.get("value", ""))
        if not value and data.get("kept"):
            try:
                value = unseal(data["kept"])
            except SealBroken:
                self.add_error("value", "Type this value again.")
                return data
        if problem := rules.secret_value_problem(value):
            self.add_error("value", problem)
        return {**data, "value": value}


class SecretForm(ValueForm):
    """A new secret: its name and its value."""

    key = forms.CharField(required=False)

    def clean_key(self) -> str:
        key: str = self.cleaned_data["key"]
        _judged(rules.secret_name_problem(key))
        return key


class SignInForm(forms.Form):
    """A registry sign-in; `row` is the one that is changed, None for a new one."""

    key = forms.CharField(required=False)
    registry = forms.CharField(required=False)
    username = forms.CharField(required=False)
    password = forms.CharField(required=False, strip=False)

    def __init__(
        self, *args: Any, row: RegistryCredential | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.row = row

    def clean_key(self) -> str:
        if self.row is not None:
            return self.row.key
        key: str = self.cleaned_data["key"]
        _judged(rules.sign_in_name_problem(key))
        return key

    def clean_registry(self) -> str:
        typed: str = self.cleaned_data["registry"]
        _judged(rules.registry_problem(typed))
        return rules.registry_of(typed)

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        _judged(rules.username_problem(name))
        return name

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if not password:
            return self._kept_password()
        _judged(rules.text_problem(password, rules.VALUE_MAX))
        return password

    def _kept_password(self) -> str:
        """The one that is there, for the place and person it was given for."""
        if self.row is None:
            raise ValidationError("Enter the password or token.")
        data = self.cleaned_data
        same = (self.row.registry, self.row.username)
        if (data.get("registry"), data.get("username")) != same:
            raise ValidationError(
                "Type the password as well: the one that is kept is for another "
                "registry or user name."
            )
        try:
            return vault.password_of(self.row)
        except vault.SecretMissing:
            raise ValidationError("Type the password again.") from None


def _lines(typed: str) -> str:
    """As it was typed: browsers send lines with a carriage return."""
    return typed.replace("\r\n", "\n")
