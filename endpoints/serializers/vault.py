"""Secrets and registry sign-ins as the API reads and shows them: never their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from endpoints import rules
from endpoints.models import Endpoint, RegistryCredential, Secret
from endpoints.serializers.fields import EmptyableField, RuledField, StrictSerializer


def password_problem(text: str) -> str:
    if not text:
        return "Enter the password or token."
    return rules.text_problem(text, rules.VALUE_MAX)


class _ValueField(RuledField):
    """Text that is taken as it is, and in no answer."""

    def __init__(self, rule: Any, **kwargs: Any) -> None:
        super().__init__(rule, write_only=True, trim_whitespace=False, **kwargs)


class _Dated(StrictSerializer):
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)
    used_by = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="Names of your endpoints that use it.",
    )


class SecretSerializer(_Dated):
    """An environment variable for endpoints that choose it. The value is not shown."""

    key = RuledField(
        rules.secret_name_problem, help_text="Name of the environment variable."
    )
    value = _ValueField(rules.secret_value_problem)


class SecretValueSerializer(StrictSerializer):
    """A new value; the key stays."""

    value = _ValueField(rules.secret_value_problem)


class SignInSerializer(_Dated):
    """A sign-in to a registry. The password is not shown."""

    key = RuledField(
        rules.sign_in_name_problem, help_text="What endpoints call it. Or `name`."
    )
    registry = EmptyableField(
        rules.registry_problem,
        help_text='Host, with a port if it has one; empty or "docker.io": Docker Hub.',
    )
    username = RuledField(rules.username_problem)
    password = _ValueField(password_problem, help_text="A password or a token.")
    checked_at = serializers.DateTimeField(
        read_only=True,
        allow_null=True,
        help_text="When the registry took it; null: nobody could ask it yet.",
    )

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and "name" in data and "key" not in data:
            # What another service's clients call it.
            data = {"key" if n == "name" else n: v for n, v in data.items()}
        return super().to_internal_value(data)


class SignInChangeSerializer(StrictSerializer):
    """The whole sign-in anew; the key stays."""

    registry = EmptyableField(rules.registry_problem)
    username = RuledField(rules.username_problem)
    password = _ValueField(password_problem, help_text="A password or a token.")


def shown_secret(row: Secret, users: list[Endpoint]) -> dict[str, Any]:
    return {
        "key": row.key,
        "created_at": _moment(row.created_at),
        "updated_at": _moment(row.updated_at),
        "used_by": [endpoint.name for endpoint in users],
    }


def shown_sign_in(row: RegistryCredential, users: list[Endpoint]) -> dict[str, Any]:
    return {
        "key": row.key,
        "registry": row.registry,
        "username": row.username,
        "checked_at": _moment(row.checked_at) if row.checked_at else None,
        "created_at": _moment(row.created_at),
        "updated_at": _moment(row.updated_at),
        "used_by": [endpoint.name for endpoint in users],
    }


def _moment(at: Any) -> str:
    text: str = at.isoformat().replace("+00:00", "Z")
    return text
