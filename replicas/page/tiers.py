"""Hardware in words."""

from __future__ import annotations

from templates_app.models import Tier


def hardware_words(tier: Tier) -> str:
    """ "Medium: A10 24 GB, 8 cores, 30 GB memory"."""
    what = tier.hardware
    if tier.gpus and tier.gpu_memory_gb:
        what += f" {tier.gpu_memory_gb} GB"
    if tier.name != what:
        what = f"{tier.name}: {what}"
    cores = f"{tier.cores:g} core{'' if tier.cores == 1 else 's'}"
    return f"{what}, {cores}, {tier.memory_gb} GB memory"


def tier_words(tier: Tier) -> str:
    """ "Medium, A10"; a tier that is named after its hardware is said once."""
    return tier.name if tier.name == tier.hardware else f"{tier.name}, {tier.hardware}"
