"""Tokens and share links as the API shows and reads them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from endpoints import rules
from endpoints.models import AccessKey, Endpoint, Scope, ShareLink
from endpoints.serializers.fields import MomentField, WordField
from endpoints.sharing import LONGEST

# How long a link opens where nobody says.
LINK_DAYS = 7


class TokenSerializer(serializers.Serializer[Any]):
    """A token of the account. Its text is in the answer that made it, and nowhere."""

    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(
        help_text="Where it is used.",
        error_messages=dict.fromkeys(
            ("required", "blank", "null"), "Give the token a name."
        ),
    )
    scope = WordField(
        *Scope.values,
        default=Scope.CALL_ALL,
        help_text="manage: this API, and calling all; call-all; call-some.",
    )
    endpoints = serializers.ListField(
        child=serializers.CharField(),
        default=list,
        help_text="Names of endpoints you see that one with call-some may call.",
    )
    expires_at = MomentField(
        default=None, allow_null=True, help_text="null: it does not end."
    )
    prefix = serializers.CharField(read_only=True)
    last_four = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    last_used_at = serializers.DateTimeField(read_only=True, allow_null=True)

    def validate_name(self, name: str) -> str:
        return _name(name)

    def validate_expires_at(self, at: datetime | None) -> datetime | None:
        return at and _later(at)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        named, some = data["endpoints"], data["scope"] == Scope.CALL_SOME
        problem = ""
        if some and not named:
            problem = "Name at least one endpoint that it may call."
        elif named and not some:
            problem = 'Endpoints are for the scope "call-some" only.'
        seen = Endpoint.objects.alive().visible_to(self.context["owner"])
        rows = list(seen.filter(name__in=named))
        for name in [] if problem else set(named) - {row.name for row in rows}:
            problem = f'You have no endpoint "{name[:60]}".'
        if problem:
            raise serializers.ValidationError({"endpoints": [problem]})
        return {**data, "endpoints": rows}


class NewTokenSerializer(TokenSerializer):
    token = serializers.CharField(read_only=True, help_text="Shown this one time.")


class ShareLinkSerializer(serializers.Serializer[Any]):
    """Whoever has the link may open the endpoint, until it expires or is revoked."""

    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(
        default="", allow_blank=True, help_text="For whom it is."
    )
    expires_at = MomentField(
        required=False, help_text=f"{LINK_DAYS} days from now where it is left out."
    )
    last_four = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    last_used_at = serializers.DateTimeField(read_only=True, allow_null=True)

    def validate_name(self, name: str) -> str:
        return _name(name)

    def validate_expires_at(self, at: datetime) -> datetime:
        if at > timezone.now() + LONGEST:
            raise serializers.ValidationError("Let it end within a year.")
        return _later(at)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        data.setdefault("expires_at", timezone.now() + timedelta(days=LINK_DAYS))
        return data


class NewShareLinkSerializer(ShareLinkSerializer):
    url = serializers.CharField(read_only=True, help_text="Shown this one time.")


def _name(name: str) -> str:
    if problem := rules.text_problem(name, rules.DISPLAY_NAME_MAX):
        raise serializers.ValidationError(problem)
    return name


def _later(at: datetime) -> datetime:
    if at <= timezone.now():
        raise serializers.ValidationError("Name a time that is still to come.")
    return at


def shown_token(key: AccessKey, token: str = "") -> dict[str, Any]:
    """token: its text, for the answer that made it."""
    shown = {
        field: getattr(key, field)
        for field in (
            *("id", "name", "scope", "expires_at", "prefix", "last_four"),
            *("created_at", "last_used_at"),
        )
    }
    shown["endpoints"] = sorted(e.name for e in key.endpoints.all() if not e.deleting)
    if token:
        return dict(NewTokenSerializer({**shown, "token": token}).data)
    return dict(TokenSerializer(shown).data)


def shown_link(link: ShareLink, url: str = "") -> dict[str, Any]:
    """url: its address, for the answer that made it."""
    fields = ("id", "name", "expires_at", "last_four", "created_at", "last_used_at")
    shown = {field: getattr(link, field) for field in fields}
    if url:
        return dict(NewShareLinkSerializer({**shown, "url": url}).data)
    return dict(ShareLinkSerializer(shown).data)
