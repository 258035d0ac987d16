"""Fields that refuse with the sentences of endpoints.rules, and refuse unknown names.

A refusal says what is wrong and what to do next, as the clone form does.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from endpoints import rules
from templates_app.models import Tier

Rule = Callable[[str], str]
WHOLE_NUMBER = "Enter a whole number."
TEXT = "Write this as text."
WHEN = 'Write a time as in ISO 8601, such as "2026-03-02T18:00:00+01:00".'
YES_NO = "Write true or false, without quotes."


class RuledField(serializers.CharField):
    """Text that a rule judges; the rule's word about "" is said when it is missing."""

    def __init__(self, rule: Rule, **kwargs: Any) -> None:
        self.rule = rule
        empty = rule("") or "This needs a value."
        kwargs["error_messages"] = {
            "required": empty,
            "blank": empty,
            "null": empty,
            "invalid": TEXT,
        }
        super().__init__(**kwargs)
        # The rule speaks about length and odd characters too.
        self.validators = []

    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if problem := self.rule(value):
            raise serializers.ValidationError(problem)
        return value


class EmptyableField(RuledField):
    """Text that may be empty; null is another way to write that."""

    def __init__(self, rule: Rule, **kwargs: Any) -> None:
        super().__init__(
            rule,
            **{"allow_blank": True, "allow_null": True, "required": False} | kwargs,
        )

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation("" if data is None else data)


def text_rule(most: int) -> Rule:
    return lambda text: rules.text_problem(text, most)


class CountField(serializers.IntegerField):
    """A whole number between limits; the sentences are for below and above them."""

    def __init__(
        self, least: int, most: int, sentence: str, above: str = "", **kw: Any
    ) -> None:
        super().__init__(
            min_value=least,
            max_value=most,
            error_messages={
                "required": sentence,
                "null": sentence,
                "invalid": WHOLE_NUMBER,
                "max_string_length": WHOLE_NUMBER,
                "min_value": sentence,
                "max_value": above or sentence,
            },
            **kw,
        )

    def to_internal_value(self, data: Any) -> int:
        # True is a whole number to Python only.
        if isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class WordField(serializers.ChoiceField):
    """One of a few words."""

    def __init__(self, *words: str, **kwargs: Any) -> None:
        sentence = f"Choose {' or '.join(words)}."
        super().__init__(
            choices=list(words),
            error_messages={"invalid_choice": sentence, "null": sentence},
            **kwargs,
        )


class MomentField(serializers.DateTimeField):
    """A time that is sent."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            error_messages={"invalid": WHEN, "date": WHEN, "null": WHEN}, **kwargs
        )


# What other services' clients call the same hardware.
TIER_ALIASES = {
    "gpu.t4.medium": "small",
    "gpu.a10g.medium": "medium",
    "gpu.a10.medium": "medium",
    "gpu.a100-40.medium": "large-40",
    "gpu.a100-80.medium": "large-80",
}


@extend_schema_field(OpenApiTypes.STR)
class TierField(serializers.Field[Tier, str, str, Any]):
    """A tier by its slug, or by what another service called that hardware."""

    default_error_messages = {"null": "Name a hardware tier, or leave this out."}

    def to_internal_value(self, data: Any) -> Tier:
        tiers = {tier.slug: tier for tier in Tier.objects.all()}
        slug = data if isinstance(data, str) else ""
        found = tiers.get(TIER_ALIASES.get(slug, slug))
        if found is None:
            names = ", ".join(tiers) or "none, until the catalogue is loaded"
            raise serializers.ValidationError(
                f"There is no such hardware tier here. There is: {names}."
            )
        return found

    def to_representation(self, value: Tier) -> str:
        return value.slug


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses names it does not know, saying which one was probably meant.

    `reported` names what answers carry and nobody sets, with the word to say.
    """

    reported: Mapping[str, str] = {}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError({"": ["Send a JSON object."]})
        unknown = {
            str(name): [self._unknown(str(name))]
            for name in data
            if name not in self.fields or self.fields[name].read_only
        }
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            detail: Any = error.detail
            raise serializers.ValidationError({**unknown, **detail}) from None
        if unknown:
            raise serializers.ValidationError(unknown)
        return values

    def _unknown(self, name: str) -> str:
        if name in self.fields:
            return self.reported.get(name, "This is reported, not set. Leave it out.")
        writable = [n for n, field in self.fields.items() if not field.read_only]
        shown = f'There is no "{name[:40]}".'
        for near in difflib.get_close_matches(name[:80], writable, n=1, cutoff=0.5):
            return f'{shown} Did you mean "{near}"?'
        return f"{shown} There is: {', '.join(writable)}."
