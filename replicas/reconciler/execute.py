"""Carries out one action. "Already so" is success; each tells its line."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils import timezone

from endpoints import revisions
from endpoints.holding import hold
from endpoints.models import Endpoint
from endpoints.steps import Reason
from replicas import booking, discovery, doorbell, progress, services
from replicas.engine import get_engine
from replicas.engine.base import (
    EngineError,
    EngineSlow,
    EngineUnreachable,
    GpuLost,
    Observed,
)
from replicas.logs import store
from replicas.metrics import fleet
from replicas.models import Gpu, Node, Replica
from replicas.progress import duration
from replicas.reconciler import failing, launch, words
from replicas.reconciler.actions import (
    Act,
    Action,
    Add,
    Drop,
    Forget,
    Settle,
    StopRollout,
)
from replicas.reconciler.failing import fail
from replicas.reconciler.observe import NO_HARDWARE, Scene
from replicas.states import ReplicaState as S

log = logging.getLogger(__name__)


@dataclass
class Done:
    """What an action came to. changed: plan again, there may be more to do.
    routes: push the endpoint's route before planning again. freed: hardware, or a place
    in the line for it, came free.
    """

    changed: bool
    routes: bool = False
    freed: bool = False
    forgotten: bool = False


NOTHING = Done(changed=False)

# After these the containers are other than those that were seen.
_TOUCHES_ENGINE = frozenset({"launch", "terminate", "kill", "remove"})


def touches_engine(action: Action) -> bool:
    if isinstance(action, Act):
        return action.verb in _TOUCHES_ENGINE
    return isinstance(action, Drop)


def execute(action: Action, scene: Scene) -> Done:
    """Carry it out. Raises EngineUnreachable; other engine errors fail the replica."""
    match action:
        case Add():
            return _add(scene, action.number)
        case Drop():
            get_engine().remove(action.container_id)
            return Done(changed=True)
        case Forget():
            store.forget(scene.endpoint.pk)
            with transaction.atomic():
                # Who is about to change it, or to refer to it, finds that it is gone.
                hold(Endpoint.objects.filter(pk=scene.endpoint.pk), going=True)
                scene.endpoint.delete()
            return Done(changed=False, routes=True, forgotten=True)
        case Settle():
            return Done(changed=revisions.settle(scene.revision))
        case StopRollout():
            why = scene.replicas[action.replica.id].trouble_text
            return Done(changed=revisions.stop(scene.revision, action.fallback, why))
        case Act():
            replica = scene.replicas[action.replica.id]
            return _act(replica, action)


def _act(replica: Replica, action: Act) -> Done:
    try:
        return _VERBS[action.verb](replica, action.container)
    except EngineUnreachable as error:
        # What it cannot start while it answers others is this replica's trouble.
        hangs = isinstance(error, EngineSlow) and action.verb == "launch"
        if not hangs or not discovery.answers(get_engine()):
            raise
        return _engine_said_no(replica, error)
    except EngineError as error:
        return _engine_said_no(replica, error)


def _engine_said_no(replica: Replica, error: EngineError) -> Done:
    log.info("replica %s: %s", replica, error)
    if S(replica.state) in (S.STOPPING, S.FAILED):
        return NOTHING  # the next pass tries again
    if isinstance(error, GpuLost):
        booking.write_off(replica, str(error))
        return _gpu_lost(replica, None)
    done = _after_failing(replica)
    fail(replica, Reason.START_FAILED, str(error), trouble=error.reason)
    return done


def _after_failing(replica: Replica) -> Done:
    """Asked before it is failed: only what was in traffic has to leave it at once.

    Whoever waits at the URL for another is told "failed" once all is planned: the next
    pass may bring one in its place.
    """
    return Done(changed=True, routes=S(replica.state) is S.READY)


def _add(scene: Scene, number: int) -> Done:
    endpoint = scene.endpoint
    try:
        with transaction.atomic():
            replica = Replica.objects.create(
                endpoint=endpoint, number=number, revision=scene.revision
            )
            services.tell(replica, Reason.WAITING, words.asking(replica.tier))
    except IntegrityError:
        return NOTHING  # the place was taken meanwhile
    replica.endpoint = endpoint
    freed = _assign(replica, None).freed
    # The URL says "starting" from now on, not "unknown".
    return Done(changed=True, routes=True, freed=freed)


def _assign(replica: Replica, _: Observed | None) -> Done:
    tier = replica.tier
    with transaction.atomic():
        place = booking.book(replica, tier)
        if place.node is not None:
            if place.gpus:
                models = [tier.gpu_model] * len(place.gpus)
                memory = place.gpus[0].memory_gb
                text = words.gpu_text(models, memory, place.node.name)
            else:
                text = words.cpu_text(tier, place.node.name)
            if not services.move(
                replica, S.ASSIGNED, node=place.node, trouble="", trouble_text=""
            ):
                transaction.set_rollback(True)
                return NOTHING
            services.tell(replica, Reason.ASSIGNED, text)
            return Done(changed=True, freed=bool(place.gpus))
    text = words.in_line(tier, place.standing)
    if replica.trouble_text != text:
        services.note(replica, trouble=NO_HARDWARE, trouble_text=text)
    return NOTHING


def _fetch(replica: Replica, _: Observed | None) -> Done:
    building = bool(replica.container.build)
    with transaction.atomic():
        if services.move(replica, S.PULLING):
            reason = Reason.BUILDING if building else Reason.PULLING
            services.tell(replica, reason, replica.container.image)
            doorbell.ring()
    return NOTHING  # the runner fetches and calls back


def _ready(replica: Replica, _: Observed | None) -> Done:
    # The route first: nobody may read "ready" while the URL does not answer.
    launch.open_route(replica)
    tries = progress.read([replica.pk]).get(replica.pk, {}).get("tries", 0)
    with transaction.atomic():
        now = timezone.now()
        if services.move(
            replica,
            S.READY,
            ready_at=now,
            silent_since=None,
            trouble="",
            trouble_text="",
        ):
            launch.tell_answered(replica, tries)
            took = duration((now - fleet.begun(replica)).total_seconds())
            services.tell(
                replica, Reason.RUNNING, f"Ready for inference. Started in {took}."
            )
    return Done(changed=True, routes=True)


def _silent(replica: Replica, container: Observed | None) -> Done:
    text, trouble, why = f"{launch.what(replica)} has not answered.", "", ""
    if container is not None and container.paused:
        trouble, why = "ContainerPaused", words.PAUSED
        text = why
    with transaction.atomic():
        if services.move(replica, S.UNHEALTHY, trouble=trouble, trouble_text=why):
            text = f"{text} It gets no traffic until it does."
            services.tell(replica, Reason.SILENT, text)
    return Done(changed=True, routes=True)


def _restarted(replica: Replica, container: Observed | None) -> Done:
    if container is None:
        return Done(changed=True)
    now = timezone.now()
    seen = {
        "address": container.address,
        "started_at": container.started_at or now,
        # Until it is asked there.
        "silent_since": now,
        # Nobody has this one paused.
        "trouble": "",
        "trouble_text": "",
    }
    with transaction.atomic():
        if S(replica.state) is S.UNHEALTHY:
            services.note(replica, **seen)
        elif services.move(replica, S.UNHEALTHY, **seen):
            text = "Its container was restarted. It gets no traffic until it answers."
            services.tell(replica, Reason.SILENT, text)
    return Done(changed=True, routes=True)


def _answering(replica: Replica, _: Observed | None) -> Done:
    launch.open_route(replica)
    with transaction.atomic():
        if services.move(replica, S.READY, trouble="", trouble_text=""):
            services.tell(replica, Reason.ANSWERING)
    return Done(changed=True, routes=True)


def _exited(replica: Replica, container: Observed | None) -> Done:
    code = container.exit_code if container else None
    if code is None:
        return _gone(replica, container)
    done = _after_failing(replica)
    failing.exited(
        replica,
        code,
        oom=bool(container and container.oom),
        error=container.error if container else "",
        tail=_tail(container),
    )
    return done


def _gone(replica: Replica, _: Observed | None) -> Done:
    done = _after_failing(replica)
    fail(
        replica,
        Reason.GONE,
        "Somebody removed it, or the engine lost it. A new one follows.",
        trouble="ContainerGone",
    )
    return done


def _no_address(replica: Replica, container: Observed | None) -> Done:
    done = _after_failing(replica)
    fail(
        replica,
        Reason.FAILED,
        words.NO_ADDRESS,
        trouble="AddressLost",
        tail=_tail(container),
    )
    return done


def _timeout(replica: Replica, container: Observed | None) -> Done:
    done = _after_failing(replica)
    failing.timed_out(replica, _tail(container))
    return done


def _tail(container: Observed | None) -> list[str]:
    lines = failing.TAIL_LINES
    return get_engine().tail(container.id, lines) if container else []


def _restart_silent(replica: Replica, _: Observed | None) -> Done:
    fail(
        replica,
        Reason.FAILED,
        "It has not answered for 2 min, so it is started anew.",
        trouble="NotAnswering",
    )
    return Done(changed=True, routes=True)


def _gpu_lost(replica: Replica, _: Observed | None) -> Done:
    gone = list(Gpu.objects.filter(replica=replica, present=False))
    text = words.gpu_lost([(gpu.model, gpu.uuid, gpu.node_id) for gpu in gone])
    with transaction.atomic():
        if not services.move(
            replica,
            S.STOPPING,
            end_asked_at=None,
            trouble=GpuLost.reason,
            trouble_text=text,
        ):
            return NOTHING
        services.tell(replica, Reason.GPU_LOST, text, trouble=GpuLost.reason)
    return Done(changed=True, routes=True)


def _retry(replica: Replica, _: Observed | None) -> Done:
    with transaction.atomic():
        number = replica.attempt + 1
        moved = services.move(
            replica,
            S.ASSIGNED,
            attempt=number,
            container_id="",
            address="",
            started_at=None,
            answered_at=None,
            ready_at=None,
            silent_since=None,
            end_asked_at=None,
            retry_at=None,
            exit_code=None,
        )
        if moved:
            services.tell(replica, Reason.RETRYING, f"Attempt {number}.")
    return Done(changed=True)


def _retire(replica: Replica, _: Observed | None) -> Done:
    served = S(replica.state) in (S.READY, S.UNHEALTHY)
    stood_in_line = S(replica.state) is S.WAITING
    with transaction.atomic():
        told = (
            {} if S(replica.state) is S.FAILED else {"trouble": "", "trouble_text": ""}
        )
        if not services.move(replica, S.STOPPING, end_asked_at=None, **told):
            return NOTHING
        if served:
            if _is_idle(replica):
                text = f"Not needed for {duration(replica.endpoint.idle_timeout)}."
                services.tell(replica, Reason.IDLE, text)
            services.tell(
                replica, Reason.DRAINING, "New requests go to other replicas."
            )
    return Done(changed=True, routes=True, freed=stood_in_line)


def _is_idle(replica: Replica) -> bool:
    """Whether fewer are wanted because traffic does not need them: nobody said so, and
    no other takes its place."""
    endpoint = replica.endpoint
    if replica.retire or endpoint.paused or endpoint.deleting:
        return False
    if replica.revision_id != revisions.serving(endpoint).pk:
        return False
    numbers = (Reason.RESIZED, Reason.SLEPT, Reason.SCALED)
    last = endpoint.events.filter(reason__in=numbers).order_by("at", "id").last()
    return last is not None and not last.actor


def _call_back(replica: Replica, _: Observed | None) -> Done:
    launch.open_route(replica)
    with transaction.atomic():
        if services.move(replica, S.READY, trouble="", trouble_text=""):
            services.tell(replica, Reason.CALLED_BACK, "It is needed again.")
    return Done(changed=True, routes=True)


def _terminate(replica: Replica, container: Observed | None) -> Done:
    if container is None:
        return Done(changed=True)
    # Asked before it is written: a worker that dies in between asks once more.
    get_engine().terminate(container.id)
    grace = duration(launch.grace_seconds())
    with transaction.atomic():
        services.note(replica, end_asked_at=timezone.now())
        if S(replica.state) is S.STOPPING:
            if replica.ready_at is not None:
                services.tell_once(replica, Reason.DRAINED)
            services.tell_once(
                replica, Reason.STOPPING, f"Asked it to end; it has {grace}."
            )
    return Done(changed=True)


def _kill(replica: Replica, container: Observed | None) -> Done:
    if container is not None:
        get_engine().stop(container.id, grace=0)
    return Done(changed=True)


def _remove(replica: Replica, container: Observed | None) -> Done:
    if container is not None:
        get_engine().remove(container.id)
    return Done(changed=True)


def _finish(replica: Replica, _: Observed | None) -> Done:
    with transaction.atomic():
        # Before the replica, as whoever books has them.
        hold(Node.objects.all())
        if not services.move(replica, S.STOPPED):
            return NOTHING
        freed = services.free_hardware(replica)
        if replica.container_id:
            services.tell_once(replica, Reason.STOPPED_CONTAINER)
        text = "Its GPU is free again." if freed else ""
        services.tell(replica, Reason.STOPPED, text)
    return Done(changed=True, freed=freed)


_VERBS: dict[str, Callable[[Replica, Observed | None], Done]] = {
    "assign": _assign,
    "fetch": _fetch,
    "fetch_timeout": lambda replica, _: Done(changed=failing.fetch_timed_out(replica)),
    "launch": lambda replica, _: Done(changed=launch.launch(replica)),
    "adopt": lambda replica, seen: Done(changed=launch.adopt(replica, seen)),
    "ready": _ready,
    "restarted": _restarted,
    "silent": _silent,
    "answering": _answering,
    "exited": _exited,
    "gone": _gone,
    "no_address": _no_address,
    "timeout": _timeout,
    "restart_silent": _restart_silent,
    "gpu_lost": _gpu_lost,
    "retry": _retry,
    "retire": _retire,
    "call_back": _call_back,
    "terminate": _terminate,
    "kill": _kill,
    "remove": _remove,
    "finish": _finish,
}
