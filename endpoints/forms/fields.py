"""Fields that the endpoint's form has and Django does not."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from endpoints import rules

WORDS_MAX = 200


def whole(message: str) -> forms.IntegerField:
    """A whole number; anything else is refused with `message`."""
    return forms.IntegerField(error_messages={"required": message, "invalid": message})


def part(message: str) -> forms.FloatField:
    """A number, whole or not; anything else is refused with `message`."""
    return forms.FloatField(error_messages={"required": message, "invalid": message})


def minutes_of(seconds: int) -> float | int:
    """As the form shows a time: whole minutes, or two digits of a part."""
    return seconds // 60 if seconds % 60 == 0 else round(seconds / 60, 2)


class WordsField(forms.CharField):
    """Words of a command line, typed as in a shell: quotes and backslashes count.

    Nothing is expanded. Cleaned to a tuple; shown back quoted.
    """

    def __init__(self) -> None:
        super().__init__(required=False)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, Sequence) and not isinstance(value, str):
            return shlex.join(value)
        return value

    def to_python(self, value: Any) -> Any:
        text = str(value or "").replace("\r\n", "\n")
        if problem := rules.text_problem(text, rules.VALUE_MAX):
            raise ValidationError(problem)
        try:
            words = tuple(shlex.split(text))
        except ValueError as error:
            raise ValidationError(_quoting_problem(str(error))) from None
        if len(words) > WORDS_MAX:
            raise ValidationError(f"Keep it to {WORDS_MAX} words.")
        return words

    def validate(self, value: Any) -> None:
        """Anything that could be read is fine."""

    def run_validators(self, value: Any) -> None:
        """The text was checked before it was taken apart."""


def _quoting_problem(error: str) -> str:
    if "quotation" in error:
        return "A quote is opened and not closed. Close it, or put \\ before it."
    return "The last backslash stands before nothing. Remove it, or write it twice."


def ruled(check: Callable[[Any], str], value: Any) -> Any:
    """The value, or the problem that `check` has with it as a ValidationError."""
    if problem := check(value):
        raise ValidationError(problem)
    return value
