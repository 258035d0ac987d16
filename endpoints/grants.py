"""Who may call which private endpoint, as the ingress is told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from endpoints.ingress.base import NEVER, Grant
from endpoints.models import AccessKey, AccessKeyQuerySet, Endpoint, Pass, Scope


def grants_of(endpoint: Endpoint) -> tuple[Grant, ...]:
    """Those of one endpoint, in three queries."""
    return grants_by_endpoint([endpoint])[endpoint.pk]


def grants_by_endpoint(endpoints: Iterable[Endpoint]) -> dict[int, tuple[Grant, ...]]:
    """By the endpoint's id, sorted; a fixed number of queries."""
    listed = list(endpoints)
    owners = {e.owner_id for e in listed}
    keys = AccessKey.objects.usable().of_those_who_see_endpoints_of(owners)
    everywhere = _tokens_for_all(keys)
    here = _tokens_for_some(keys)
    passed = _passes({e.pk for e in listed})
    return {
        e.pk: tuple(
            sorted(
                everywhere[e.owner_id]
                | everywhere[_ANYBODY]
                | here[e.pk, e.owner_id]
                | here[e.pk, _ANYBODY]
                | passed[e.pk]
            )
        )
        for e in listed
    }


# Stands for the owner of an endpoint where it does not matter who that is.
_ANYBODY = 0


def _whose(key: AccessKey) -> int:
    """Whose endpoints it may call: `EndpointQuerySet.visible_to` for tokens."""
    return _ANYBODY if key.owner.is_superuser else key.owner_id


def _tokens_for_all(keys: AccessKeyQuerySet) -> defaultdict[int, set[Grant]]:
    """Tokens that may call whatever their owner sees, by the endpoint's owner."""
    found: defaultdict[int, set[Grant]] = defaultdict(set)
    for key in keys.exclude(scope=Scope.CALL_SOME):
        found[_whose(key)].add(grant(key.digest, key.expires_at))
    return found


def _tokens_for_some(
    keys: AccessKeyQuerySet,
) -> defaultdict[tuple[int, int], set[Grant]]:
    """Tokens that may call some endpoints, by endpoint and its owner."""
    found: defaultdict[tuple[int, int], set[Grant]] = defaultdict(set)
    for key in keys.filter(scope=Scope.CALL_SOME).prefetch_related("endpoints"):
        for endpoint in key.endpoints.all():
            found[endpoint.pk, _whose(key)].add(grant(key.digest, key.expires_at))
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
