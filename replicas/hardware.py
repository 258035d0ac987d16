"""Which GPUs there are, who holds them, and what is free for each tier. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from replicas.models import Gpu, Node, Replica
from replicas.states import ReplicaState
from templates_app.models import Tier


@dataclass(frozen=True)
class TierHardware:
    """One tier now. `ticks` has a word per GPU: "mine", "on" (others'), or ""."""

    tier: Tier
    total: int
    free: int
    waiting: int
    ticks: tuple[str, ...]

    @property
    def word(self) -> str:
        """ "2 of 4 free", "0 of 2 free, 1 waiting", "No A10 here", or "Free"."""
        if not self.tier.gpus:
            return "Always free"
        if not self.total:
            return f"No {self.tier.gpu_model} here"
        text = f"{self.free} of {self.total} free"
        return f"{text}, {self.waiting} waiting" if self.waiting else text


@dataclass(frozen=True)
class Hardware:
    """All GPUs (`ticks`, free, total) and each tier of them."""

    ticks: tuple[str, ...]
    free: int
    total: int
    tiers: tuple[TierHardware, ...]
    engine_down: bool

    def of(self, slug: str) -> TierHardware | None:
        return next((t for t in self.tiers if t.tier.slug == slug), None)


def matches(tier: Tier, model: str, memory_gb: int) -> bool:
    """Whether a GPU is one that the tier means: by model, and memory when both say."""
    wanted, found = tier.gpu_model.lower(), model.lower()
    if wanted not in found.replace("-", " ").split() and wanted != found:
        return False
    known = tier.gpu_memory_gb and memory_gb
    return not known or abs(tier.gpu_memory_gb - memory_gb) <= tier.gpu_memory_gb * 0.15


def hardware_for(user_id: int | None) -> Hardware:
    """What is there now, as this person sees it. Four queries."""
    gpus = list(
        Gpu.objects.filter(present=True).values_list(
            "model", "memory_gb", "replica__endpoint__owner_id"
        )
    )
    waiting: dict[str, int] = {}
    lines = Replica.objects.filter(state=ReplicaState.WAITING)
    for slug in lines.values_list("revision__tier_id", flat=True):
        waiting[slug] = waiting.get(slug, 0) + 1

    def tick(owner: int | None) -> str:
        if owner is None:
            return ""
        return "mine" if owner == user_id else "on"

    def order(word: str) -> int:
        return ("mine", "on", "").index(word)

    tiers = []
    for tier in Tier.objects.all():
        fitting = [
            tick(owner)
            for model, memory, owner in gpus
            if tier.gpus and matches(tier, model, memory)
        ]
        tiers.append(
            TierHardware(
                tier=tier,
                total=len(fitting),
                free=fitting.count(""),
                waiting=waiting.get(tier.slug, 0),
                ticks=tuple(sorted(fitting, key=order)),
            )
        )
    ticks = tuple(sorted((tick(owner) for _, _, owner in gpus), key=order))
    return Hardware(
        ticks=ticks,
        free=ticks.count(""),
        total=len(ticks),
        tiers=tuple(tiers),
        engine_down=Node.objects.exclude(unreachable_since=None).exists(),
    )
