"""Hardware for replicas: booked in the transaction that assigns, first come first."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from endpoints import live
from replicas.hardware import matches
from replicas.models import Gpu, Node, Replica
from replicas.states import ReplicaState
from templates_app.models import Tier


@dataclass(frozen=True)
class Place:
    """The answer to "may this replica have its hardware?".

    node is set when it got it. place counts from 1 in the line of those who wait for
    the same GPU model; total is how many such GPUs there are at all.
    """

    node: Node | None
    gpus: tuple[Gpu, ...] = ()
    place: int = 0
    total: int = 0


def book(replica: Replica, tier: Tier) -> Place:
    """Book what the tier asks for, or say the place in line. Repeating is harmless.

    The caller moves the replica to "assigned" in the same transaction.
    """
    if not tier.gpus:
        return Place(node=_any_node())
    held = tuple(Gpu.objects.filter(replica=replica))
    if len(held) >= tier.gpus:
        return Place(node=held[0].node, gpus=held)
    fitting = [
        gpu
        for gpu in Gpu.objects.filter(present=True).select_related("node")
        if matches(tier, gpu.model, gpu.memory_gb)
    ]
    place = _place_in_line(replica, tier, len(fitting))
    by_node: dict[str, list[Gpu]] = {}
    for gpu in fitting:
        if gpu.replica_id is None and gpu.node.unreachable_since is None:
            by_node.setdefault(gpu.node_id, []).append(gpu)
    for free in by_node.values():
        if place == 1 and len(free) >= tier.gpus:
            return _take(replica, free[: tier.gpus])
    return Place(node=None, place=place, total=len(fitting))


def _take(replica: Replica, gpus: list[Gpu]) -> Place:
    for gpu in gpus:
        won = Gpu.objects.filter(pk=gpu.pk, replica=None).update(replica=replica)
        if not won:
            # Somebody was quicker on a database that lets two writers in: give all
            # back with the transaction, and look again.
            transaction.set_rollback(True)
            return Place(node=None, place=1, total=len(gpus))
    live.hardware_changed()
    return Place(node=gpus[0].node, gpus=tuple(gpus))


def _place_in_line(replica: Replica, tier: Tier, total: int) -> int:
    """1 for the first. The line is all who wait for this GPU model, oldest first.

    Who asks for more than there are at all keeps nobody waiting.
    """
    earlier = Replica.objects.filter(
        state=ReplicaState.WAITING,
        revision__tier__gpus__lte=total,
        revision__tier__gpu_model=tier.gpu_model,
        revision__tier__gpu_memory_gb=tier.gpu_memory_gb,
        pk__lt=replica.pk,
    )
    return earlier.count() + 1


def _any_node() -> Node | None:
    return Node.objects.filter(unreachable_since=None).order_by("name").first()


def next_in_line() -> list[int]:
    """Endpoints with a replica that waits: to be looked at when hardware came free."""
    waiting = Replica.objects.filter(state=ReplicaState.WAITING)
    return list(waiting.order_by().values_list("endpoint_id", flat=True).distinct())
