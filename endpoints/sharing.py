"""Share links: whoever has one may open the endpoint, until it expires or is revoked.

All browsers that follow a link show the same cookie, which is made from the link's
secret: the ingress knows its digest from the beginning, and a link that goes round
costs one row, however many follow it.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from contextlib import suppress
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.db import OperationalError, transaction
from django.db.models import Q
from django.utils import timezone

from endpoints import gate, signals, timeline
from endpoints.grants import grant
from endpoints.holding import held, hold
from endpoints.models import Endpoint, Pass, ShareLink
from endpoints.passes import Admission, digest_of
from endpoints.steps import Reason

# Where a link leads on the endpoint's host, before its secret.
PATH = "/-/alight/share/"
LONGEST = timedelta(days=366)
_USED_RESOLUTION = timedelta(minutes=1)


def share(
    endpoint: Endpoint, maker: AbstractBaseUser, expires_at: datetime, name: str = ""
) -> tuple[ShareLink, str]:
    """A new link and its whole address, which is returned here and never again.

    name: for whom it is, for people. Raises Endpoint.DoesNotExist when it is gone.
    """
    secret = secrets.token_urlsafe(24)
    digest = digest_of(admission_of(secret, expires_at).cookie)
    actor = maker.get_username()
    with held(endpoint):
        link = ShareLink.objects.create(
            endpoint=endpoint,
            maker_id=maker.pk,
            name=name,
            digest=digest_of(secret),
            last_four=secret[-4:],
            expires_at=expires_at,
        )
        Pass.objects.create(
            endpoint=endpoint, link=link, digest=digest, expires_at=expires_at
        )
        gate.admit([endpoint.name], grant(digest, expires_at))
        timeline.record(endpoint, Reason.SHARED, _told(link), actor=actor)
        signals.announce(endpoint.pk)
    return link, f"{endpoint.url}{PATH}{secret}"


def unshare(link: ShareLink, actor: str) -> bool:
    """Nobody comes in by this link any more. False when that was done before."""
    now = timezone.now()
    with transaction.atomic():
        hold(Endpoint.objects.filter(pk=link.endpoint_id))
        if not ShareLink.objects.filter(pk=link.pk, revoked_at=None).update(
            revoked_at=now
        ):
            return False
        passes = Pass.objects.filter(link=link)
        gate.expel({one.digest for one in passes if one.digest})
        passes.update(ended_at=now)
        timeline.record(link.endpoint, Reason.UNSHARED, _named(link), actor=actor)
        signals.announce(link.endpoint_id)
    return True


def follow(name: str, secret: str) -> Admission | None:
    """What a browser shows from now on; None when the link does not open."""
    links = ShareLink.objects.usable().filter(
        digest=digest_of(secret), endpoint__name=name, endpoint__deleting=False
    )
    link = links.first()
    if link is None:
        return None
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _USED_RESOLUTION)
    # A full disk must not keep people out.
    with suppress(OperationalError):
        links.filter(stale).update(last_used_at=now)
    return admission_of(secret, link.expires_at)


def admission_of(secret: str, until: datetime) -> Admission:
    """What every browser shows that followed the link with this secret."""
    digest = hashlib.sha256(f"pass of the link {secret}".encode()).digest()
    return Admission(base64.urlsafe_b64encode(digest).decode().rstrip("="), until)


def _told(link: ShareLink) -> str:
    until = f"ntil {link.expires_at:%-d %b %Y, %H:%M} UTC."
    return f"For {link.name}, u{until}" if link.name else f"U{until}"


def _named(link: ShareLink) -> str:
    return f"It was for {link.name}." if link.name else ""
