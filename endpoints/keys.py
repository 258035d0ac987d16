"""Tokens: made once, kept as a digest, checked by the API and by the ingress."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from datetime import timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.db import OperationalError, transaction
from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from endpoints import signals
from endpoints.models import AccessKey, Endpoint

PREFIX = "alt_"
# last_used_at is for people; writing it on each request would cost a write per call.
_USED_RESOLUTION = timedelta(minutes=1)


def digest_of(token: str) -> str:
    """Upper-case hex SHA-256 of the whole Authorization header, as HAProxy makes it."""
    return hashlib.sha256(f"Bearer {token}".encode()).hexdigest().upper()


def make_token(owner: AbstractBaseUser, name: str) -> tuple[AccessKey, str]:
    """A new token and its row. The text is returned here and never again."""
    token = PREFIX + secrets.token_urlsafe(30)
    with transaction.atomic():
        key = AccessKey.objects.create(
            owner_id=owner.pk,
            name=name,
            prefix=token[:8],
            last_four=token[-4:],
            digest=digest_of(token),
        )
        _announce(key)
    return key, token


def revoke(key: AccessKey) -> bool:
    """Refuse requests with this token from now on. False when that was done before."""
    with transaction.atomic():
        rows = AccessKey.objects.filter(pk=key.pk, revoked_at=None)
        if not rows.update(revoked_at=timezone.now()):
            return False
        _announce(key)
    return True


def _announce(key: AccessKey) -> None:
    """The ingress lists who may call each endpoint: look at the owner's again."""
    owned = Endpoint.objects.alive().filter(owner_id=key.owner_id)
    for endpoint_id in owned.values_list("pk", flat=True):
        signals.announce(endpoint_id)


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer alt_…` for the REST API."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, object] | None:
        header = request.headers.get("Authorization", "")
        if not header.startswith("Bearer "):
            return None
        now = timezone.now()
        key = (
            AccessKey.objects.usable()
            .select_related("owner")
            .filter(digest=digest_of(header.removeprefix("Bearer ")))
            .first()
        )
        if key is None:
            raise AuthenticationFailed(
                "This token is not valid. Make a new one on the Tokens page."
            )
        # A full disk, which takes no writes, must not keep people from looking.
        with suppress(OperationalError):
            AccessKey.objects.filter(pk=key.pk).filter(
                Q(last_used_at=None) | Q(last_used_at__lt=now - _USED_RESOLUTION)
            ).update(last_used_at=now)
        return key.owner, key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
