"""Tokens: made once, kept as a digest, checked by the API and by the ingress."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    PermissionDenied,
)
from rest_framework.request import Request

from endpoints import gate, signals
from endpoints.grants import grant
from endpoints.limits import Limit, counters, place_of, wait_words
from endpoints.models import AccessKey, Endpoint, EndpointQuerySet, Scope, ShareLink

PREFIX = "alt_"
# last_used_at is for people; writing it on each request would cost a write per call.
_USED_RESOLUTION = timedelta(minutes=1)
# Endpoints at which a new token counts before the answer with it is sent. Whoever has
# more finds it at the others as soon as the worker has looked.
_AT_ONCE = 20
# Wrong tokens that one address may send before it is told to wait.
_WRONG_TOKENS = Limit(60, 300)


def digest_of(token: str) -> str:
    """Upper-case hex SHA-256 of the whole Authorization header, as HAProxy makes it."""
    return hashlib.sha256(f"Bearer {token}".encode()).hexdigest().upper()


def make_token(
    owner: AbstractBaseUser,
    name: str,
    *,
    scope: Scope = Scope.MANAGE,
    endpoints: Iterable[Endpoint] = (),
    expires_at: datetime | None = None,
) -> tuple[AccessKey, str]:
    """A new token and its row. The text is returned here and never again.

    endpoints: those the owner sees that one with the scope "call-some" may call; one
    that went meanwhile is left out.
    """
    chosen = [endpoint.pk for endpoint in endpoints]
    try:
        return _make(owner, name, scope, chosen, expires_at)
    except IntegrityError:
        # It went between the look and the end of writing: it is seen now.
        return _make(owner, name, scope, chosen, expires_at)


def _make(
    owner: AbstractBaseUser,
    name: str,
    scope: Scope,
    chosen: Collection[int],
    expires_at: datetime | None,
) -> tuple[AccessKey, str]:
    token = PREFIX + secrets.token_urlsafe(30)
    with transaction.atomic():
        key = AccessKey.objects.create(
            owner_id=owner.pk,
            name=name,
            prefix=token[:8],
            last_four=token[-4:],
            digest=digest_of(token),
            scope=scope,
            expires_at=expires_at,
        )
        if scope == Scope.CALL_SOME:
            key.endpoints.set(Endpoint.objects.filter(pk__in=chosen))
        private = _callable(key).filter(public=False)
        names = private.values_list("name", flat=True)[:_AT_ONCE]
        gate.admit(names, grant(key.digest, expires_at))
        _announce(key)
    return key, token


def revoke(key: AccessKey) -> bool:
    """Refuse requests with this token from now on. False when that was done before."""
    with transaction.atomic():
        rows = AccessKey.objects.filter(pk=key.pk, revoked_at=None)
        if not rows.update(revoked_at=timezone.now()):
            return False
        gate.expel({key.digest})
        _announce(key)
    return True


def owner_changed(owner: AbstractBaseUser) -> None:
    """Refuse their tokens where they may not sign in, or see no endpoint, any longer.

    What they see by now they call once the ingress has been synced.
    """
    mine = AccessKey.objects.filter(owner_id=owner.pk, revoked_at=None)
    seen = Endpoint.objects.alive().visible_to(owner)
    names = seen.values_list("name", flat=True) if owner.is_active else ()
    gate.expel(set(mine.values_list("digest", flat=True)), but_at=names)


def _callable(key: AccessKey) -> EndpointQuerySet:
    """The endpoints that its owner sees and it may call."""
    seen = Endpoint.objects.alive().visible_to(key.owner)
    return seen.filter(access_keys=key) if key.scope == Scope.CALL_SOME else seen


def _announce(key: AccessKey) -> None:
    """The ingress lists who may call each endpoint: look at those again."""
    for endpoint_id in _callable(key).values_list("pk", flat=True):
        signals.announce(endpoint_id)


# --- Use ---------------------------------------------------------------------
# What note_use was told the last time; None before the first.
_counted: dict[str, int] | None = None


def note_use(callers: Mapping[str, int]) -> None:
    """Write down which tokens and share links were used, to the minute.

    callers: requests by digest since the ingress began, as `Ingress.callers` tells.
    What changed since the last call of this function was used; at its first call in a
    process only "never" can be corrected.
    """
    global _counted
    before, _counted = _counted, dict(callers)
    used = [d for d, count in callers.items() if count != (before or {}).get(d, 0)]
    if not used:
        return
    now = timezone.now()
    stale = Q(last_used_at=None)
    if before is not None:
        stale |= Q(last_used_at__lt=now - _USED_RESOLUTION)
    AccessKey.objects.filter(stale, digest__in=used).update(last_used_at=now)
    links = ShareLink.objects.filter(pass__digest__in=used).values("pk")
    ShareLink.objects.filter(stale, pk__in=links).update(last_used_at=now)


class TooManyTokens(APIException):
    """From this address came too many tokens that are not valid."""

    status_code = 429
    default_code = "too_many_tries"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            "Too many tokens from your address were not valid. Wait "
            f"{wait_words(seconds)}, then send one that is."
        )
        self.wait = seconds


def _wrong(request: Request) -> APIException:
    """What to say to a token that is not valid.

    One that is valid passes whatever others at its address sent before: a token has
    240 bits, so what protects it is not how seldom it may be guessed at.
    """
    place = place_of(request.META.get("REMOTE_ADDR", ""))
    if seconds := counters().take([(f"tokens:{place}", _WRONG_TOKENS)]):
        return TooManyTokens(seconds)
    return AuthenticationFailed(
        "This token is not valid. Make a new one on the Tokens page."
    )


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer alt_…` for the REST API; the scope "manage" only."""

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
            raise _wrong(request)
        # A full disk, which takes no writes, must not keep people from looking.
        with suppress(OperationalError):
            AccessKey.objects.filter(pk=key.pk).filter(
                Q(last_used_at=None) | Q(last_used_at__lt=now - _USED_RESOLUTION)
            ).update(last_used_at=now)
        if key.scope != Scope.MANAGE:
            raise PermissionDenied(
                "This token may call endpoints, not manage them. Make one that may "
                "on the Tokens page."
            )
        return key.owner, key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
