"""Rows and containers as one snapshot. Looks only: creates and deletes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from django.conf import settings

from endpoints import revisions
from endpoints.ingress import get_ingress
from endpoints.ingress.base import IngressUnreachable
from endpoints.models import Endpoint, Revision
from endpoints.revisions import Serving
from replicas import booking, pulls
from replicas.engine import get_engine, names
from replicas.engine.base import Observed
from replicas.engine.contexts import resolve
from replicas.logs import store
from replicas.models import Replica
from replicas.reconciler.plan import stop_order
from replicas.reconciler.snapshot import Owner, ReplicaFacts, Snapshot, WishFacts
from replicas.routing import upstream_key
from replicas.states import ReplicaState
from templates_app.spec import ContainerSpec

# `trouble` of a replica that stands in line for hardware.
NO_HARDWARE = "NoHardware"


@dataclass
class Scene:
    """The snapshot for the planner, and the rows to act on."""

    endpoint: Endpoint
    serving: Serving
    replicas: dict[int, Replica]
    snapshot: Snapshot

    @cached_property
    def revision(self) -> Revision:
        """The revision that a new replica runs."""
        return Revision.objects.select_related("tier").get(pk=self.serving.pk)


def observe(endpoint: Endpoint, known: Mapping[Owner, Observed] | None = None) -> Scene:
    """One endpoint now. Raises EngineError when the engine does not tell.

    known: containers as this call saw them a moment ago and has not touched since.
    """
    rows = {
        replica.pk: replica
        for replica in endpoint.replicas.alive()
        .select_related("node", "revision__tier")
        .prefetch_related("gpus")
    }
    for replica in rows.values():
        # One shared object, so that what a pass learns is seen by every replica.
        replica.endpoint = endpoint
    containers = containers_of(endpoint.name) if known is None else known
    serving = revisions.serving(endpoint)
    facts = _with_shortage([facts_of(r) for r in rows.values()], rows, serving)
    snapshot = Snapshot(
        wish=wish_of(endpoint, serving),
        replicas=facts,
        containers=containers,
        images=images_of(endpoint.owner_id, rows.values()),
        logs_done=frozenset(
            owner
            for owner, container in containers.items()
            if not container.running and store.is_finished(*owner)
        ),
        open_requests=_open_requests(endpoint, rows, containers),
    )
    return Scene(endpoint, serving, rows, snapshot)


def _with_shortage(
    facts: list[ReplicaFacts], rows: Mapping[int, Replica], serving: Serving
) -> tuple[ReplicaFacts, ...]:
    """Facts that know whether older replicas stand in the way of a newer one."""
    ending = {f.id for f in facts if f.state is ReplicaState.STOPPING}
    older = sorted(
        (
            f
            for f in facts
            if f.id not in ending and (f.revision != serving.number or f.retire)
        ),
        key=stop_order,
    )
    old = {f.id for f in older}
    return tuple(
        replace(f, short=_short(rows[f.id], ending, [f.id for f in older]))
        if f.state is ReplicaState.WAITING and f.id not in old and older
        else f
        for f in facts
    )


def _short(replica: Replica, ending: set[int], older: list[int]) -> int:
    """How many of `older`, from the front, must give back GPUs so that it can start."""
    if not replica.tier.gpus:
        return 0
    for count in range(len(older) + 1):
        if booking.would_start(replica, {*ending, *older[:count]}):
            return count
    return 0


def wish_of(endpoint: Endpoint, serving: Serving) -> WishFacts:
    return WishFacts(
        wanted=endpoint.wanted_count,
        revision=serving.number,
        deleting=endpoint.deleting,
        paused=endpoint.paused,
        start_timeout=endpoint.start_timeout,
        settled=serving.settled,
        fallback=serving.fallback,
        minimum=endpoint.minimum,
    )


def facts_of(replica: Replica) -> ReplicaFacts:
    return ReplicaFacts(
        id=replica.pk,
        number=replica.number,
        attempt=replica.attempt,
        revision=replica.revision.number,
        state=ReplicaState(replica.state),
        since=replica.since,
        retire=replica.retire,
        gpu_lost=any(not gpu.present for gpu in replica.gpus.all()),
        address=replica.address,
        started_at=replica.started_at,
        answered_at=replica.answered_at,
        ready_at=replica.ready_at,
        silent_since=replica.silent_since,
        end_asked_at=replica.end_asked_at,
        retry_at=replica.retry_at,
        failures=replica.failures,
        trouble=replica.trouble,
    )


_NEEDS_IMAGE = frozenset({ReplicaState.ASSIGNED, ReplicaState.PULLING})


def images_of(
    owner_id: int,
    replicas: Iterable[Replica],
    among: frozenset[ReplicaState] = _NEEDS_IMAGE,
) -> frozenset[int]:
    """Revisions whose image the node has for this account, of its replicas in one of
    these states."""
    asked = {r.revision_id: r.revision for r in replicas if r.state in among}
    return frozenset(r.number for r in asked.values() if _has(owner_id, r.container))


def _has(owner_id: int, spec: ContainerSpec) -> bool:
    found = get_engine().image(resolve(spec.image, spec.build))
    if found is None:
        return False
    return bool(spec.build) or pulls.may_use(owner_id, spec.image, found.id)


def containers_of(endpoint_name: str) -> dict[Owner, Observed]:
    labels = {
        names.INSTALLATION: settings.ALIGHT_INSTALLATION,
        names.ENDPOINT: endpoint_name,
    }
    return by_owner(get_engine().observe(labels))


def by_owner(found: list[Observed]) -> dict[Owner, Observed]:
    owned = {}
    for container in found:
        # Labels are ours, but anybody may copy them onto a container by hand.
        with contextlib.suppress(KeyError, ValueError):
            replica = int(container.labels[names.REPLICA])
            owned[replica, int(container.labels[names.ATTEMPT])] = container
    return owned


def _open_requests(
    endpoint: Endpoint, rows: dict[int, Replica], containers: Mapping[Owner, Observed]
) -> dict[int, int]:
    """For replicas that are to end and still run, and for all that serve where one of
    them has to go. An absent ingress has none."""
    found = {}
    ending = {ReplicaState.STOPPING}
    staying = [r for r in rows.values() if r.state not in ending]
    if len(staying) > endpoint.wanted_count > 0:
        ending.add(ReplicaState.READY)
    for replica in rows.values():
        container = containers.get((replica.pk, replica.attempt))
        if replica.state in ending and container and container.running:
            key = upstream_key(replica.pk, replica.attempt)
            with contextlib.suppress(IngressUnreachable):
                found[replica.pk] = get_ingress().open_requests(endpoint.name, key)
    return found
