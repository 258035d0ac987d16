"""Where an endpoint's host should lead, from its wish and its ready replicas."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from endpoints.gate import bare_route
from endpoints.grants import grants_by_endpoint, grants_of
from endpoints.ingress.base import Grant, Route, Upstream
from endpoints.models import Endpoint
from endpoints.states import COMING, Phase
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
    grants: tuple[Grant, ...],
    *,
    opening: Replica | None = None,
) -> Route:
    """The route to those among `replicas` that may be sent requests, and to `opening`,
    which answered and becomes ready once its route is there."""
    replicas = list(replicas)
    state = state_of(endpoint, replicas)
    # The one that opens is among them too, read as it still is: not ready.
    led = {r.pk: r for r in replicas if _answers(r)}
    if opening is not None:
        led[opening.pk] = opening
    return replace(
        bare_route(endpoint, grants),
        state=state,
        reason=_reason(replicas) if state == "failed" else "",
        upstreams=tuple(
            Upstream(upstream_key(r.pk, r.attempt), r.address, r.container.port)
            for _, r in sorted(led.items())
            if r.address
        ),
    )


def _answers(replica: Replica) -> bool:
    """Whether requests get through. One that has answered is about to be called ready:
    a sweep in that moment must not take back the route that was just opened to it."""
    if replica.state == ReplicaState.STARTING:
        return replica.answered_at is not None
    return replica.state == ReplicaState.READY


def state_of(endpoint: Endpoint, replicas: Iterable[Replica]) -> str:
    """What holds while nobody answers: paused, failed, idle or starting.

    replicas: the living ones. One that is on its way is worth waiting for, whatever
    became of the others; one in line for hardware is not, beside one that failed.
    """
    if endpoint.paused:
        return "paused"
    state = _STATES.get(Phase(endpoint.phase), "starting")
    if state == "failed" and any(r.state in COMING for r in replicas):
        return "starting"
    # The last one still ends, and the next request has asked for a new one.
    return "starting" if state == "idle" and endpoint.wanted_count else state


def _reason(replicas: Iterable[Replica]) -> str:
    """Why none answers, in one sentence; "" when nothing is known."""
    newest = max(
        (r for r in replicas if r.state == ReplicaState.FAILED and r.trouble_text),
        key=lambda r: r.since,
        default=None,
    )
    return newest.trouble_text.splitlines()[0] if newest else ""


# Those that a route depends on.
_TELLING = (ReplicaState.READY, ReplicaState.FAILED, *sorted(COMING))


def route_now(endpoint: Endpoint, *, opening: Replica | None = None) -> Route:
    """The endpoint's route from its rows as they are now.

    What opens it to everybody is read again: `endpoint` may be older than the last
    click, of which the ingress was told directly.
    """
    rows = endpoint.replicas.filter(state__in=_TELLING).select_related("revision")
    route = route_of(endpoint, rows, grants_of(endpoint), opening=opening)
    public = Endpoint.objects.filter(pk=endpoint.pk, public=True).exists()
    return replace(route, public=public)


def all_routes() -> list[Route]:
    """Every endpoint's route, in a fixed number of queries."""
    endpoints = list(Endpoint.objects.alive())
    grants = grants_by_endpoint(endpoints)
    by_endpoint: dict[int, list[Replica]] = {}
    telling = Replica.objects.filter(state__in=_TELLING)
    for replica in telling.select_related("revision"):
        by_endpoint.setdefault(replica.endpoint_id, []).append(replica)
    return [route_of(e, by_endpoint.get(e.pk, ()), grants[e.pk]) for e in endpoints]
