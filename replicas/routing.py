"""Where an endpoint's host should lead, from its wish and its ready replicas."""

from __future__ import annotations

from collections.abc import Iterable

from endpoints.ingress.base import Route, Upstream
from endpoints.models import AccessKey, Endpoint
from endpoints.states import Phase
from replicas.models import Replica
from replicas.states import ReplicaState

# What the ingress says while nobody answers, by phase.
_STATES = {
    Phase.PAUSED: "paused",
    Phase.STOPPING: "idle",
    Phase.IDLE: "idle",
    Phase.FAILED: "failed",
    Phase.UNHEALTHY: "failed",
}


def upstream_key(replica_id: int, attempt: int) -> str:
    return f"{replica_id}.{attempt}"


def route_of(
    endpoint: Endpoint,
    replicas: Iterable[Replica],
    tokens: tuple[str, ...],
    *,
    opening: Replica | None = None,
) -> Route:
    """The route to the ready ones among `replicas`, and to `opening`, which answered
    and becomes ready once its route is there."""
    state = (
        "paused" if endpoint.paused else _STATES.get(Phase(endpoint.phase), "starting")
    )
    return Route(
        name=endpoint.name,
        host=endpoint.host,
        public=endpoint.public,
        state=state,
        concurrency=0,
        tokens=tokens,
        upstreams=tuple(
            Upstream(upstream_key(r.pk, r.attempt), r.address, r.container.port)
            for r in sorted(
                {*replicas, *((opening,) if opening else ())}, key=lambda r: r.pk
            )
            if (r.state == ReplicaState.READY or r is opening) and r.address
        ),
    )


def route_now(endpoint: Endpoint, *, opening: Replica | None = None) -> Route:
    """The endpoint's route from its rows as they are now."""
    tokens = AccessKey.objects.usable().filter(owner_id=endpoint.owner_id)
    return route_of(
        endpoint,
        endpoint.replicas.filter(state=ReplicaState.READY).select_related("revision"),
        tokens.digests_by_owner().get(endpoint.owner_id, ()),
        opening=opening,
    )


def all_routes() -> list[Route]:
    """Every endpoint's route, in three queries."""
    tokens = AccessKey.objects.usable().digests_by_owner()
    endpoints = Endpoint.objects.alive()
    by_endpoint: dict[int, list[Replica]] = {}
    ready = Replica.objects.filter(state=ReplicaState.READY)
    for replica in ready.select_related("revision"):
        by_endpoint.setdefault(replica.endpoint_id, []).append(replica)
    return [
        route_of(e, by_endpoint.get(e.pk, ()), tokens.get(e.owner_id, ()))
        for e in endpoints
    ]
