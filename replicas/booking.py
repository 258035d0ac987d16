"""Hardware for replicas: booked in the transaction that assigns, first come first."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction

from endpoints import live
from endpoints.holding import hold
from replicas.line import Device, Standing, stand
from replicas.models import Gpu, Node, Replica, ReplicaQuerySet
from replicas.states import ReplicaState
from templates_app.models import Tier


@dataclass(frozen=True)
class Place:
    """The answer to "may this replica have its hardware?".

    node is set when it got it. standing: of one who waits for GPUs.
    """

    node: Node | None
    gpus: tuple[Gpu, ...] = ()
    standing: Standing | None = None


def book(replica: Replica, tier: Tier) -> Place:
    """Book what the tier asks for, or say the place in line. Repeating is harmless.

    The caller moves the replica to "assigned" in the same transaction.
    """
    if not tier.gpus:
        return Place(node=_any_node())
    # One booking at a time: it is decided from the whole line and every GPU.
    hold(Node.objects.all())
    held = tuple(Gpu.objects.filter(replica=replica).select_related("node"))
    if len(held) >= tier.gpus:
        return Place(node=held[0].node, gpus=held)
    gpus = _present()
    standing = stand(_line(until=replica), _devices(gpus)).get(replica.pk)
    if standing is None:
        return Place(node=None)  # it has left the line meanwhile
    if not standing.gets:
        return Place(node=None, standing=standing)
    return _take(replica, [gpus[uuid] for uuid in standing.gets])


def _take(replica: Replica, gpus: list[Gpu]) -> Place:
    for gpu in gpus:
        free = Gpu.objects.filter(pk=gpu.pk, replica=None, present=True)
        if not free.update(replica=replica):
            # It was lost meanwhile: give all back with the transaction. The sweep
            # looks again.
            transaction.set_rollback(True)
            return Place(node=None)
    live.hardware_changed()
    return Place(node=gpus[0].node, gpus=tuple(gpus))


def would_start(replica: Replica, holders: Collection[int]) -> bool:
    """Whether it would get its GPUs if these replicas (by id) gave theirs back, and
    their places in line."""
    devices = _devices(_present(), as_free=holders)
    line = [(pk, tier) for pk, tier in _line(until=replica) if pk not in holders]
    standing = stand(line, devices).get(replica.pk)
    return bool(standing and standing.gets)


def write_off(replica: Replica, said: str) -> None:
    """Write that GPUs of this replica are gone: those that the engine named, or all.

    They count as present again when a look at the node finds them.
    """
    held = Gpu.objects.filter(replica=replica)
    named = [gpu.uuid for gpu in held if gpu.uuid in said]
    lost = held.filter(uuid__in=named) if named else held
    with transaction.atomic():
        hold(Node.objects.all())
        if lost.update(present=False):
            live.hardware_changed()


def line() -> list[tuple[Replica, Standing | None]]:
    """Everyone who waits, the longest first. None: waits for no GPU but for a node."""
    waiting = list(_waiting().select_related("endpoint", "revision__tier"))
    if not waiting:
        return []
    standings = stand(
        [(r.pk, r.tier) for r in waiting if r.tier.gpus], _devices(_present())
    )
    return [(replica, standings.get(replica.pk)) for replica in waiting]


def _line(until: Replica) -> list[tuple[int, Tier]]:
    waiting = _waiting().filter(pk__lte=until.pk, revision__tier__gpus__gt=0)
    return [(r.pk, r.tier) for r in waiting.select_related("revision__tier")]


def _waiting() -> ReplicaQuerySet:
    return Replica.objects.filter(state=ReplicaState.WAITING).order_by("pk")


def _present() -> dict[str, Gpu]:
    gpus = Gpu.objects.filter(present=True).select_related("node", "replica")
    return {gpu.uuid: gpu for gpu in gpus}


def _devices(gpus: dict[str, Gpu], as_free: Collection[int] = ()) -> list[Device]:
    return [
        Device(
            uuid=gpu.uuid,
            node=gpu.node_id,
            model=gpu.model,
            memory_gb=gpu.memory_gb,
            free=(gpu.replica_id is None or gpu.replica_id in as_free)
            and gpu.node.unreachable_since is None,
            leaving=gpu.replica is not None
            and gpu.replica.state == ReplicaState.STOPPING,
        )
        for gpu in gpus.values()
    ]


def _any_node() -> Node | None:
    return Node.objects.filter(unreachable_since=None).order_by("name").first()
