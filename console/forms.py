"""The sign-in form."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError

from console import guard
from endpoints.limits import wait_words

WRONG = "That name and password do not match. Check both and try again."


class SignInForm(AuthenticationForm):
    """Name and password. `wait`: seconds before they may be tried again, 0 for now."""

    wait = 0.0

    def clean(self) -> dict[str, Any]:
        if self.request is None or not {"username", "password"} <= {*self.cleaned_data}:
            return super().clean()
        try:
            tried = guard.begin(self.request, self.cleaned_data["username"])
        except guard.TooManyTries as refused:
            self.wait = refused.seconds
            raise ValidationError(self.refusal) from None
        data = super().clean()
        tried.was_right()
        return data

    @property
    def refusal(self) -> str:
        """What is wrong and what to do, in the same words whoever it is."""
        if not self.wait:
            return WRONG
        return (
            "There were too many wrong passwords. Wait "
            f"{wait_words(self.wait)}, then try again."
        )
