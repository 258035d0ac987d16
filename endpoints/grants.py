"""Who may call which private endpoint, as the ingress is told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from endpoints.ingress.base import NEVER, Grant
from endpoints.models import AccessKey, Endpoint, Pass, Scope


def grants_of(endpoint: Endpoint) -> tuple[Grant, ...]:
    """Those of one endpoint, in three queries."""
    return grants_by_endpoint([endpoint])[endpoint.pk]


def grants_by_endpoint(endpoints: Iterable[Endpoint]) -> dict[int, tuple[Grant, ...]]:
    """By the endpoint's id, sorted; a fixed number of queries."""
    listed = list(endpoints)
    everywhere = _tokens_for_all({e.owner_id for e in listed})
    here = _tokens_for_some({e.owner_id for e in listed})
    passed = _passes({e.pk for e in listed})
    return {
        e.pk: tuple(
            sorted(everywhere[e.owner_id] | here[e.pk, e.owner_id] | passed[e.pk])
        )
        for e in listed
    }


def _tokens_for_all(owners: set[int]) -> defaultdict[int, set[Grant]]:
    """Tokens that may call whatever their owner has, by owner."""
    found: defaultdict[int, set[Grant]] = defaultdict(set)
    keys = AccessKey.objects.usable().filter(owner_id__in=owners)
    for key in keys.exclude(scope=Scope.CALL_SOME):
        found[key.owner_id].add(grant(key.digest, key.expires_at))
    return found


def _tokens_for_some(owners: set[int]) -> defaultdict[tuple[int, int], set[Grant]]:
    """Tokens that may call some endpoints, by endpoint and the token's owner."""
    found: defaultdict[tuple[int, int], set[Grant]] = defaultdict(set)
    keys = AccessKey.objects.usable().filter(owner_id__in=owners, scope=Scope.CALL_SOME)
    for key in keys.prefetch_related("endpoints"):
        for endpoint in key.endpoints.all():
            found[endpoint.pk, key.owner_id].add(grant(key.digest, key.expires_at))
    return found


def _passes(endpoints: set[int]) -> defaultdict[int, set[Grant]]:
    """What browsers may show, by endpoint. One made by a link ends with the link."""
    found: defaultdict[int, set[Grant]] = defaultdict(set)
    passes = Pass.objects.usable().filter(endpoint_id__in=endpoints)
    for one in passes.select_related("link"):
        if one.digest is not None:
            ends = min(
                one.expires_at, one.link.expires_at if one.link else one.expires_at
            )
            found[one.endpoint_id].add(grant(one.digest, ends))
    return found


def grant(digest: str, ends: datetime | None) -> Grant:
    """What the ingress is told of one; `ends` is None for one that does not end."""
    return Grant(digest, NEVER if ends is None else min(int(ends.timestamp()), NEVER))
