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
    everywhere: dict[int, set[Grant]] = defaultdict(set)
    here: dict[tuple[int, int], set[Grant]] = defaultdict(set)
    owners = {endpoint.owner_id for endpoint in listed}
    keys = AccessKey.objects.usable().filter(owner_id__in=owners)
    for owner, digest, ends in keys.exclude(scope=Scope.CALL_SOME).values_list(
        "owner_id", "digest", "expires_at"
    ):
        everywhere[owner].add(_grant(digest, ends))
    some = keys.filter(scope=Scope.CALL_SOME)
    for owner, digest, ends, endpoint_id in some.values_list(
        "owner_id", "digest", "expires_at", "endpoints"
    ):
        if endpoint_id is not None:
            here[endpoint_id, owner].add(_grant(digest, ends))
    passes = Pass.objects.usable().filter(endpoint__in=[e.pk for e in listed])
    for endpoint_id, digest, ends, link_ends in passes.values_list(
        "endpoint_id", "digest", "expires_at", "link__expires_at"
    ):
        here[endpoint_id, 0].add(_grant(digest, min(ends, link_ends or ends)))
    return {
        e.pk: tuple(
            sorted(everywhere[e.owner_id] | here[e.pk, e.owner_id] | here[e.pk, 0])
        )
        for e in listed
    }


def _grant(digest: str, ends: datetime | None) -> Grant:
    return Grant(digest, NEVER if ends is None else min(int(ends.timestamp()), NEVER))
