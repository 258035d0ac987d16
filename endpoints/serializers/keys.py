"""Fields by which an endpoint names secrets and sign-ins of its owner's account."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from endpoints import rules, vault
from endpoints.serializers.fields import EmptyableField, text_rule

KEYS_MAX = 200
# Which of them there are is told by name: those may be long.
_TEXT = text_rule(rules.VALUE_MAX)


class KeysField(serializers.ListField):
    """Keys of account-wide secrets, each once; null is another way to write []."""

    child = serializers.CharField()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, allow_null=True, **kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation([] if data is None else data)

    def to_internal_value(self, data: Any) -> list[str]:
        fine = isinstance(data, list) and all(isinstance(key, str) for key in data)
        if not fine:
            raise serializers.ValidationError(
                'Send a list of keys, such as ["HF_TOKEN"].'
            )
        if len(data) > KEYS_MAX:
            raise serializers.ValidationError(f"Keep it to {KEYS_MAX} secrets.")
        # What is no text no database can be asked for.
        if problem := next(filter(None, map(_TEXT, data)), ""):
            raise serializers.ValidationError(problem)
        return list(dict.fromkeys(data))


class SignInField(EmptyableField):
    """The key of a registry sign-in; null or "" for none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(_TEXT, **kwargs)


def check_keys(data: dict[str, Any], owner_id: int) -> None:
    """Raises ValidationError for what this account has not."""
    wanted = data.get("container_secrets", [])
    missing = vault.missing_secrets(owner_id, wanted)
    problems: dict[str, list[str]] = {}
    if missing:
        problems["container_secrets"] = [
            f"You have no secret {key[:60]}. Add it with POST /v1/secret."
            for key in missing
        ]
    sign_in = data.get("registry_credential", "")
    if sign_in and not vault.has_sign_in(owner_id, sign_in):
        problems["registry_credential"] = [
            f"You have no registry sign-in {sign_in[:60]}. "
            "Add it with POST /v1/registry-credential."
        ]
    if problems:
        raise serializers.ValidationError(problems)
