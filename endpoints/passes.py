"""Passes: what a browser of somebody signed in to the console shows at an endpoint.

A private endpoint's host sends a browser that shows nothing to the console. Who is
signed in there gets a ticket, good once and for a minute, and takes it back to that
host, which gives the cookie in exchange. The console's own cookie never goes there.

A pass ends when its person signs out of that session, gets a new password, or may not
see the endpoint any longer.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from endpoints import gate, keys
from endpoints.grants import grant
from endpoints.holding import held, hold
from endpoints.models import Endpoint, Pass, PassQuerySet

TICKET_LIFE = timedelta(minutes=1)
# Several tabs can be handed over at once; only the newest cookie is kept by a browser.
_EACH_BROWSER = 4
# How long rows that open nothing any more are kept.
_KEPT = timedelta(hours=1)
_LONGEST_PATH = 8000
# What names the browser in the console's session; it goes when the session ends.
_BROWSER = "pass_browser"


@dataclass(frozen=True)
class Admission:
    """The cookie's value, and when it stops to count."""

    cookie: str
    until: datetime


def digest_of(secret: str) -> str:
    """Upper-case hex SHA-256, as HAProxy makes it of the cookie's value."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest().upper()


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def own_path(text: str) -> str:
    """`text` if it is a path (with query) of the same host, else "/"."""
    fine = re.fullmatch(r"/(?![/\\])[^\x00-\x1f\x7f\\]*", text)
    return text if fine and len(text) <= _LONGEST_PATH else "/"


def browser_of(request: HttpRequest) -> str:
    """Names this session of the console, also after its key was renewed."""
    named: str = request.session.setdefault(_BROWSER, new_secret())
    return digest_of(named)


def hand_over(
    endpoint: Endpoint, user: AbstractBaseUser, browser: str, until: datetime
) -> str:
    """A ticket for one browser of this person, who may see the endpoint.

    browser: from `browser_of`. until: when the pass itself ends. Raises
    Endpoint.DoesNotExist when the endpoint is gone.
    """
    ticket = new_secret()
    with held(endpoint):
        _prune(endpoint)
        Pass.objects.create(
            endpoint=endpoint,
            user_id=user.pk,
            session=browser,
            ticket=digest_of(ticket),
            expires_at=until,
        )
    return ticket


def redeem(name: str, ticket: str) -> Admission | None:
    """The pass for a ticket of the endpoint of this name; None when it is not good."""
    if not Pass.objects.filter(ticket=digest_of(ticket)).exists():
        # Any stranger may ask: they do not take the database's one write lock.
        return None
    now = timezone.now()
    with transaction.atomic():
        rows = Pass.objects.select_related("endpoint")
        found = rows.filter(
            ticket=digest_of(ticket),
            endpoint__name=name,
            endpoint__deleting=False,
            ended_at=None,
            created_at__gt=now - TICKET_LIFE,
            expires_at__gt=now,
        ).first()
        if found is None or found.user_id is None:
            return None
        # Held: one who is just being shut out comes before or after, not beside.
        hold(get_user_model().objects.filter(pk=found.user_id))
        if not _may_see(found.user_id, found.endpoint_id):
            return None
        cookie = new_secret()
        digest = digest_of(cookie)
        untaken = Pass.objects.filter(pk=found.pk, ticket=found.ticket, ended_at=None)
        if not untaken.update(ticket=None, digest=digest):
            return None
        gate.admit([name], grant(digest, found.expires_at))
        mine = Pass.objects.usable().filter(
            endpoint=found.endpoint, session=found.session
        )
        _end(mine.order_by("-pk")[_EACH_BROWSER:])
    return Admission(cookie, found.expires_at)


def issue(endpoint: Endpoint, user: AbstractBaseUser, until: datetime) -> Admission:
    """A pass without a browser: the console calls the endpoint for this person.

    Raises Endpoint.DoesNotExist when the endpoint is gone.
    """
    cookie = new_secret()
    digest = digest_of(cookie)
    with held(endpoint):
        _prune(endpoint)
        Pass.objects.create(
            endpoint=endpoint, user_id=user.pk, digest=digest, expires_at=until
        )
        gate.admit([endpoint.name], grant(digest, until))
    return Admission(cookie, until)


# --- Ends --------------------------------------------------------------------
def session_ends(session: SessionBase) -> None:
    """End what this session of the console opened, and tickets it has not used."""
    if named := session.get(_BROWSER):
        with transaction.atomic():
            _end(Pass.objects.filter(session=digest_of(named), ended_at=None))


_TELLING = frozenset({"password", "is_active", "is_superuser"})


def person_changed(
    instance: Any, created: bool, update_fields: Iterable[str] | None = None, **_: Any
) -> None:
    """Receives `post_save` of a person: ends what they may not open any longer."""
    if created or (update_fields is not None and not _TELLING & set(update_fields)):
        return
    with transaction.atomic():
        mine = Pass.objects.filter(user_id=instance.pk, ended_at=None)
        # Set until the new password is saved, which is when sessions end too.
        new_password = instance._password is not None
        keep = Pass.objects.usable().filter(user_id=instance.pk).values("pk")
        _end(mine if new_password else mine.exclude(digest=None).exclude(pk__in=keep))
        keys.owner_changed(instance)


def end(admission: Admission) -> None:
    """End one at once: what `issue` gave is not needed any longer."""
    with transaction.atomic():
        _end(Pass.objects.filter(digest=digest_of(admission.cookie), ended_at=None))


def _end(rows: QuerySet[Pass]) -> None:
    found = list(rows.values_list("pk", "digest"))
    Pass.objects.filter(pk__in=[pk for pk, _ in found]).update(ended_at=timezone.now())
    gate.expel({digest for _, digest in found if digest})


def _may_see(person_id: int, endpoint_id: int) -> bool:
    people = get_user_model().objects.filter(is_active=True)
    person = people.filter(pk=person_id).first()
    if person is None:
        return False
    return Endpoint.objects.visible_to(person).filter(pk=endpoint_id).exists()


def spent(now: datetime) -> PassQuerySet:
    """Passes and tickets that opened nothing for a while."""
    dead = Q(expires_at__lt=now) | Q(ended_at__isnull=False) | Q(digest=None)
    return Pass.objects.filter(dead, created_at__lt=now - _KEPT)


def _prune(endpoint: Endpoint) -> None:
    """Delete the endpoint's passes and tickets that opened nothing for a while."""
    spent(timezone.now()).filter(endpoint=endpoint).delete()
