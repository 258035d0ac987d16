"""The line for GPUs: who may take which, and who waits behind whom. Pure.

First come, first served, among all who could use the same GPU. Whoever waits for
several keeps the free ones that it could use, so that those behind, who need fewer,
do not take them one by one for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from replicas.hardware import matches
from templates_app.models import Tier


@dataclass(frozen=True)
class Device:
    """A GPU that is there. free: nobody holds it and its node answers. leaving: its
    holder goes once its open requests are finished."""

    uuid: str
    node: str
    model: str
    memory_gb: int
    free: bool
    leaving: bool = False


@dataclass(frozen=True)
class Standing:
    """How one who waits stands now.

    gets: UUIDs that are its own to take, none while it has to wait. place counts from
    1 among those who could use the same GPUs. free, leaving and total: GPUs of its
    tier that nobody holds, whose holders are going, and the most that one node has.
    """

    gets: tuple[str, ...]
    place: int
    free: int
    total: int
    leaving: int = 0


def stand(
    waiting: Iterable[tuple[int, Tier]], devices: Sequence[Device]
) -> dict[int, Standing]:
    """By replica id. waiting: (replica id, its tier), the longest waiting first.

    Who asks for more than any node has keeps nobody waiting.
    """
    left = [device for device in devices if device.free]
    ahead: list[frozenset[str]] = []
    found = {}
    for replica, tier in waiting:
        fitting = [d for d in devices if matches(tier, d.model, d.memory_gb)]
        could_use = frozenset(device.uuid for device in fitting)
        nodes = {
            node: held
            for node, held in _by_node(fitting).items()
            if len(held) >= tier.gpus
        }
        kept = _choose(
            [d for d in left if d.uuid in could_use and d.node in nodes], tier
        )
        left = [device for device in left if device not in kept]
        found[replica] = Standing(
            gets=tuple(d.uuid for d in kept) if len(kept) == tier.gpus else (),
            place=1 + sum(not could_use.isdisjoint(other) for other in ahead),
            free=sum(device.free for device in fitting),
            total=max(map(len, _by_node(fitting).values()), default=0),
            leaving=sum(device.leaving for device in fitting),
        )
        if nodes:
            ahead.append(could_use)
    return found


def _choose(left: list[Device], tier: Tier) -> list[Device]:
    """All it needs from one node, or the most of them that any node has left.

    The tightest node, and there the smallest GPUs: larger rooms stay for who needs
    them.
    """
    by_node = sorted(
        _by_node(left).values(), key=lambda held: (len(held), held[0].node)
    )
    enough = [held for held in by_node if len(held) >= tier.gpus]
    best = enough[0] if enough else by_node[-1] if by_node else []
    return sorted(best, key=lambda d: (d.memory_gb, d.uuid))[: tier.gpus]


def _by_node(devices: Iterable[Device]) -> dict[str, list[Device]]:
    nodes: dict[str, list[Device]] = {}
    for device in devices:
        nodes.setdefault(device.node, []).append(device)
    return nodes
