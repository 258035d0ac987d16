"""Passes over one endpoint under its lock, and the sweep over all of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from endpoints import live, revisions, trail
from endpoints.ingress import get_ingress
from endpoints.ingress.base import IngressFull, IngressUnreachable
from endpoints.models import Endpoint
from endpoints.revisions import Serving
from endpoints.states import derive_phase
from replicas import discovery, lock, routing
from replicas.engine import get_engine, names
from replicas.engine.base import EngineError, EngineUnreachable, Observed
from replicas.models import Replica
from replicas.reconciler import waiting
from replicas.reconciler.actions import Act, Action, Limits, Plan
from replicas.reconciler.execute import execute, touches_engine
from replicas.reconciler.observe import (
    by_owner,
    facts_of,
    images_of,
    observe,
    wish_of,
)
from replicas.reconciler.plan import plan
from replicas.reconciler.saying import in_words
from replicas.reconciler.snapshot import Owner, Snapshot
from replicas.states import ReplicaState

log = logging.getLogger(__name__)

# Seconds until the next look when engine or ingress did not answer.
_ENGINE_AGAIN = 2.0
_INGRESS_AGAIN = 1.0
# A start takes about five passes; far more means two actions undo each other.
_MOST_PASSES = 40
# No endpoint's number: the lock of who removes what belongs to none.
_STRANGERS = 0


def reconcile(endpoint_id: int) -> tuple[float | None, list[int]]:
    """Make this endpoint as it is wished, as far as that goes now.

    Returns seconds until it should be looked at again (None: only when called), and
    endpoints whose replicas wait for hardware that this one gave back.
    """
    with trail.about(endpoint=endpoint_id):
        return _reconcile(endpoint_id)


def _reconcile(endpoint_id: int) -> tuple[float | None, list[int]]:
    lock.mark(endpoint_id)
    others: set[int] = set()
    while True:
        with lock.held(endpoint_id) as hold:
            if hold is None:
                return None, sorted(others)
            seen = lock.marks(endpoint_id)
            again = _passes(endpoint_id, others, hold)
        if lock.marks(endpoint_id) == seen:
            return again, sorted(others - {endpoint_id})


def limits() -> Limits:
    return Limits(
        grace=timedelta(seconds=settings.ALIGHT_STOP_GRACE),
        drain=timedelta(seconds=settings.ALIGHT_DRAIN_SECONDS),
        shrink=timedelta(seconds=settings.ALIGHT_SHRINK_SECONDS),
        fetch=timedelta(seconds=settings.ALIGHT_FETCH_SECONDS),
    )


def _passes(endpoint_id: int, others: set[int], hold: lock.Hold) -> float | None:
    known: Mapping[Owner, Observed] | None = None
    for _ in range(_MOST_PASSES):
        endpoint = (
            Endpoint.objects.select_related("tier", "owner")
            .filter(pk=endpoint_id)
            .first()
        )
        if endpoint is None:
            return None
        try:
            changed, wait, known = _one_pass(endpoint, others, known, hold)
        except EngineUnreachable as error:
            if not _engine_lost():
                log.warning("%s has to wait: %s", endpoint.name, error)
            return _ENGINE_AGAIN
        except lock.NotOurs:
            log.warning("%s is another worker’s by now", endpoint.name)
            return None
        except (IngressUnreachable, IngressFull) as error:
            log.warning("%s has no route: %s", endpoint.name, error)
            _write_observed(endpoint)
            return _INGRESS_AGAIN
        except EngineError:
            log.exception("endpoint %s could not be looked at", endpoint.name)
            return _ENGINE_AGAIN
        if not changed:
            return wait
    log.error("endpoint %s does not settle", endpoint_id)
    return _ENGINE_AGAIN


def _one_pass(
    endpoint: Endpoint,
    others: set[int],
    known: Mapping[Owner, Observed] | None,
    hold: lock.Hold,
) -> tuple[bool, float | None, Mapping[Owner, Observed] | None]:
    """Observe, plan, execute once.

    Returns whether anything changed, seconds to wait, and the containers as they still
    are when nothing touched the engine.
    """
    endpoint_id = endpoint.pk
    scene = observe(endpoint, known)
    known = scene.snapshot.containers
    now = timezone.now()
    todo = plan(scene.snapshot, now, limits())
    changed, routed = False, True
    for action in todo.actions:
        # Whoever froze and comes back has planned for a world that was.
        hold.check()
        about = action.replica.id if isinstance(action, Act) else 0
        with trail.about(replica=about):
            done = execute(action, scene)
            if done.changed:
                log.info("%s: %s", endpoint.name, in_words(action))
        changed |= done.changed
        if touches_engine(action):
            known = None
        if done.freed:
            others.update(waiting.move_up())
        if done.forgotten:
            # The row is gone already: the sweep mends a route that stays behind.
            live.changed(endpoint_id, endpoint.owner_id)
            get_ingress().forget(endpoint.name)
            return False, None, None
        if done.routes:
            _write_observed(endpoint)
            routed &= _push_route(endpoint)
    _write_observed(endpoint)
    if not changed:
        routed &= _push_route(endpoint)
    if not routed:
        return changed, _INGRESS_AGAIN, known
    wait = (todo.again - now).total_seconds() if todo.again else None
    return changed, wait, known


def _push_route(endpoint: Endpoint) -> bool:
    """Lead the host where it should lead now. False when the ingress would not: the
    replicas go on meanwhile, only none becomes ready."""
    try:
        if endpoint.deleting:
            get_ingress().forget(endpoint.name)
            return True
        get_ingress().apply(lambda: routing.route_now(endpoint))
    except (IngressUnreachable, IngressFull) as error:
        log.warning("%s has no route: %s", endpoint.name, error)
        return False
    return True


def _write_observed(endpoint: Endpoint) -> None:
    """Phase and counts, from the rows. The only writer of these columns."""
    states = list(
        Replica.objects.alive()
        .filter(endpoint_id=endpoint.pk)
        .values_list("state", flat=True)
    )
    observed = {
        "phase": derive_phase(
            deleting=endpoint.deleting,
            paused=endpoint.paused,
            wanted=endpoint.wanted_count,
            replicas=states,
        ),
        "ready_count": states.count(ReplicaState.READY),
        "observed_revision": endpoint.revision,
    }
    if all(getattr(endpoint, name) == value for name, value in observed.items()):
        return
    with transaction.atomic():
        Endpoint.objects.filter(pk=endpoint.pk).update(**observed)
        live.changed(endpoint.pk, endpoint.owner_id)
    for name, value in observed.items():
        setattr(endpoint, name, value)


def _engine_lost() -> bool:
    """Whether it is the engine that does not answer, and not one call of it."""
    if discovery.answers(get_engine()):
        return False
    _tell_lost()
    return True


def _tell_lost() -> None:
    if discovery.engine_lost():
        log.warning("The engine does not answer; it is asked again and again")
        tell_everyone()


def tell_everyone() -> None:
    """The engine went away or came back: every open page shows that."""
    live.hardware_changed()
    for pk, owner in Endpoint.objects.values_list("pk", "owner_id"):
        live.changed(pk, owner)


# --- the sweep -----------------------------------------------------------------


def sweep(call: Callable[[int], object] | None = None) -> list[int]:
    """Look at everything once, cheaply. Returns endpoints that want a pass.

    call: told each of them as soon as they are known. After that it removes our
    containers that no endpoint knows, which may take its time. It also makes the
    ingress match. Raises EngineUnreachable after the ingress was seen to.
    """
    try:
        get_ingress().sync(routing.all_routes)
    except (IngressUnreachable, IngressFull) as error:
        log.warning("The ingress does not match: %s", error)
    try:
        discovery.refresh(get_engine())
    except EngineUnreachable:
        _tell_lost()
        raise
    except EngineError as error:
        log.warning("The engine does not say what it is: %s", error)
    if discovery.engine_found():
        log.warning("The engine answers again")
        tell_everyone()
    endpoints = list(Endpoint.objects.select_related("tier"))
    found, due = _looked_at(endpoints)
    log.debug("sweep: %s containers", len(found))
    if call is not None:
        for endpoint_id in due:
            call(endpoint_id)
    _remove_strangers(found, {endpoint.name for endpoint in endpoints})
    return due


def _looked_at(endpoints: list[Endpoint]) -> tuple[list[Observed], list[int]]:
    """All containers, and the endpoints that want a pass.

    An engine that answers, but says nothing about one of them, keeps only that one
    waiting: then every endpoint looks after its own.
    """
    mine = {names.INSTALLATION: settings.ALIGHT_INSTALLATION}
    try:
        found = get_engine().observe(mine)
    except EngineError as error:
        if isinstance(error, EngineUnreachable) and _engine_lost():
            raise
        log.warning("The engine does not tell about all containers: %s", error)
        return [], [endpoint.pk for endpoint in endpoints]
    return found, _unsettled(endpoints, found)


def look_for_gpus() -> list[int]:
    """Look which GPUs there are. Returns endpoints that lost theirs or may have one.

    Takes seconds. Raises EngineError.
    """
    if not discovery.refresh_gpus(get_engine()):
        return []
    return sorted({*discovery.lost_gpus(), *waiting.move_up()})


def _unsettled(endpoints: list[Endpoint], found: list[Observed]) -> list[int]:
    containers: dict[str, list[Observed]] = {}
    for container in found:
        name = container.labels.get(names.ENDPOINT, "")
        containers.setdefault(name, []).append(container)
    replicas: dict[int, list[Replica]] = {}
    living = Replica.objects.alive().select_related("revision")
    for replica in living.prefetch_related("gpus"):
        replicas.setdefault(replica.endpoint_id, []).append(replica)
    now = timezone.now()
    serving = revisions.serving_of([endpoint.pk for endpoint in endpoints])
    their_turn = frozenset(waiting.move_up())
    due = []
    for endpoint in endpoints:
        if endpoint.pk not in serving:
            continue  # made, changed or deleted since it was read
        rows = replicas.get(endpoint.pk, [])
        owned = by_owner(containers.get(endpoint.name, []))
        try:
            todo = _glance(endpoint, serving[endpoint.pk], rows, owned)
        except EngineError:
            due.append(endpoint.pk)  # its own pass says what is wrong
            continue
        stale = endpoint.observed_revision != endpoint.revision
        acts = endpoint.pk in their_turn or any(map(_needs_no_turn, todo.actions))
        acts = acts or _hands_over(rows, serving[endpoint.pk])
        if acts or stale or (todo.again and todo.again <= now):
            due.append(endpoint.pk)
    return due


def _hands_over(rows: list[Replica], serving: Serving) -> bool:
    """One waits for hardware that an older one of the endpoint may have to give."""
    older = any(
        r.state != ReplicaState.STOPPING
        and (r.retire or r.revision.number != serving.number)
        for r in rows
    )
    return older and any(r.state == ReplicaState.WAITING for r in rows)


def _needs_no_turn(action: Action) -> bool:
    """Those who stand in line need no look before it is their turn."""
    return not (isinstance(action, Act) and action.verb == "assign")


def _glance(
    endpoint: Endpoint,
    serving: Serving,
    rows: list[Replica],
    owned: dict[Owner, Observed],
) -> Plan:
    """The plan, from what the sweep already has. Never carried out from here."""
    world = Snapshot(
        wish=wish_of(endpoint, serving),
        replicas=tuple(facts_of(row) for row in rows),
        containers=owned,
        images=images_of(endpoint.owner_id, rows, frozenset({ReplicaState.PULLING})),
    )
    return plan(world, timezone.now(), limits())


def strangers(found: list[Observed], known: set[str]) -> list[Observed]:
    """Containers of ours whose endpoint is no more: deleted while nobody looked."""
    # A container made by hand with our label, but no endpoint, is not ours.
    ours = [c for c in found if names.REPLICA in c.labels]
    return [c for c in ours if c.labels.get(names.ENDPOINT, "") not in {"", *known}]


def _remove_strangers(found: list[Observed], known: set[str]) -> None:
    """One sweep at a time: others need not wait for the same container."""
    with lock.held(_STRANGERS) as hold:
        if hold is not None:
            _remove_each(strangers(found, known))


def _remove_each(containers: list[Observed]) -> None:
    for container in containers:
        log.warning("removing %s: its endpoint is gone", container.name)
        try:
            get_engine().remove(container.id)
        except EngineError as error:
            # The others are looked at all the same; this one at the next sweep.
            log.warning("%s could not be removed: %s", container.name, error)
