"""Tells the ingress at once, without the worker: who may call, and who is new.

The rows are the truth: when the ingress does not answer, its next sync brings them.
Both act when the current transaction commits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from django.conf import settings
from django.db import transaction

from endpoints.ingress import get_ingress
from endpoints.ingress.base import (
    Grant,
    Ingress,
    IngressFull,
    IngressUnreachable,
    Route,
)
from endpoints.models import AccessKey, Endpoint, Pass

log = logging.getLogger(__name__)


def bare_route(endpoint: Endpoint, grants: tuple[Grant, ...]) -> Route:
    """Where its host leads while nothing runs yet: to “starting”."""
    return Route(
        name=endpoint.name,
        host=endpoint.host,
        public=endpoint.public,
        state="starting",
        concurrency=endpoint.concurrency,
        most_open=(
            endpoint.concurrency * endpoint.max_replicas + settings.ALIGHT_QUEUE_LIMIT
        ),
        hold=endpoint.hold_seconds,
        grants=grants,
    )


def introduce(
    endpoint: Endpoint, grants: Callable[[Endpoint], tuple[Grant, ...]]
) -> None:
    """Its address works from now on: before that it looks like anybody's mistake."""

    def route() -> Route:
        bare = bare_route(endpoint, grants(endpoint))
        public = Endpoint.objects.filter(pk=endpoint.pk, public=True).exists()
        return replace(bare, public=public)

    _on_commit(lambda ingress: ingress.introduce(route))


def admit(names: Iterable[str], grant: Grant) -> None:
    """`grant` may call the endpoints of these names, unless that has ended by then."""
    listed = list(names)

    def let_in(ingress: Ingress) -> None:
        for name in listed:
            ingress.admit(name, grant, lambda: not _ended(grant.digest))

    _on_commit(let_in)


def publish(name: str, *, public: bool) -> None:
    """Everybody may call the endpoint of this name, or only those with a grant."""
    rows = Endpoint.objects.filter(name=name, public=public)
    _on_commit(lambda ingress: ingress.publish(name, public=public, still=rows.exists))


def expel(digests: Collection[str], *, but_at: Iterable[str] = ()) -> None:
    """Whoever shows one of these may call nothing, but endpoints of these names."""
    gone = sorted(digests)
    if gone:
        kept = frozenset(but_at)
        _on_commit(lambda ingress: ingress.expel(gone, but_at=kept))


def _ended(digest: str) -> bool:
    """Whether the token, pass or link with this digest was revoked meanwhile."""
    return (
        AccessKey.objects.filter(digest=digest, revoked_at__isnull=False).exists()
        or Pass.objects.filter(digest=digest, ended_at__isnull=False).exists()
        or Pass.objects.filter(digest=digest, link__revoked_at__isnull=False).exists()
    )


def _on_commit(act: Callable[[Ingress], None]) -> None:
    def now() -> None:
        try:
            act(get_ingress())
        except (IngressUnreachable, IngressFull, OSError) as error:
            log.warning("The ingress hears of it at its next sync: %s", error)

    # What fails here was written all the same, and others want to hear of it, too.
    transaction.on_commit(now, robust=True)
