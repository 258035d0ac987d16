"""What the NVIDIA driver says of its GPUs, as our dataclasses. Pure."""

from __future__ import annotations

import re

from replicas.engine.base import FoundGpu

# Gigabytes of models whose names do not tell them. Models that were sold with more than
# one size are left out.
_MEMORY = (
    (r"B300|GB300", 288),
    (r"GB200", 186),
    (r"B200", 180),
    (r"H200", 141),
    (r"H100 NVL", 94),
    (r"H20", 96),
    (r"H100|H800", 80),
    (r"L40|L20", 48),
    (r"L4|L2", 24),
    (r"A40", 48),
    (r"A10|A10G|A10M|A30", 24),
    (r"A2|A16|T4", 16),
    (r"RTX PRO 6000.*", 96),
    (r"RTX PRO 5000.*", 48),
    (r"RTX (6000|5880) Ada Generation", 48),
    (r"RTX 5000 Ada Generation", 32),
    (r"RTX 4500 Ada Generation", 24),
    (r"RTX 4000( SFF)? Ada Generation", 20),
    (r"RTX 2000 Ada Generation", 16),
    (r"RTX A6000|Quadro RTX 8000", 48),
    (r"RTX A5[05]00|Quadro RTX 6000|TITAN RTX|P40", 24),
    (r"RTX A4500", 20),
    (r"RTX A4000|Quadro RTX 5000", 16),
    (r"GeForce RTX 5090", 32),
    (r"GeForce RTX (3090|3090 Ti|4090|4090 D)", 24),
    (r"GeForce RTX (4070 Ti SUPER|4080|4080 SUPER|5070 Ti|5080)", 16),
    (r"GeForce RTX (3080 Ti|4070|4070 SUPER|4070 Ti|5070)", 12),
    (r"GeForce RTX 2080 Ti", 11),
)
# Here the number in the name is the memory of the processor beside the GPU.
_MISLEADING = {"GH200 480GB": 96}
# What may follow a model: how it is mounted, or its kind of memory.
_FORMS = r"(-PCIE|-PCIe|-SXM\d?|-NVL| PCIe| NVL| HBM3e?|S)?"
_WRITTEN = re.compile(r"\b(\d+) ?GB?\b")
_FACT = re.compile(r"^([^:\n]+):[ \t]*(.*?)[ \t]*$", re.MULTILINE)


class GpuUnknown(ValueError):
    """The driver has not looked at a GPU yet: it writes "GPU-????????-…"."""


def parse(text: str) -> list[FoundGpu]:
    """From the files "information" of /proc/driver/nvidia/gpus, one after another.

    Raises GpuUnknown when the driver cannot name one.
    """
    found = []
    for part in re.split(r"^(?=Model:)", text, flags=re.MULTILINE):
        facts = dict(_FACT.findall(part))
        if "GPU UUID" not in facts or facts.get("GPU Excluded") == "Yes":
            continue
        if "?" in facts["GPU UUID"]:
            raise GpuUnknown(facts.get("Model", ""))
        model = short_name(facts.get("Model", ""))
        found.append(FoundGpu(facts["GPU UUID"], model, memory_gb(model)))
    return sorted(found, key=lambda gpu: gpu.uuid)


def short_name(model: str) -> str:
    """The model without what all models have in common.

    >>> short_name("NVIDIA A10")
    'A10'
    """
    return model.removeprefix("NVIDIA ").removeprefix("Tesla ").strip()


def memory_gb(model: str) -> int:
    """How much memory a model has, by its name; 0 when the name does not tell.

    >>> memory_gb("A100-SXM4-80GB"), memory_gb("T4"), memory_gb("Riva TNT2")
    (80, 16, 0)
    """
    if model in _MISLEADING:
        return _MISLEADING[model]
    if written := _WRITTEN.search(model):
        return int(written[1])
    for pattern, size in _MEMORY:
        if re.fullmatch(f"(?:{pattern}){_FORMS}", model):
            return size
    return 0
