"""What this machine is: its engine's node and its GPUs, written for all to see."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from endpoints import live
from replicas.engine.base import Engine
from replicas.models import Gpu, Node

log = logging.getLogger(__name__)

_GIVEN = re.compile(r"^(?P<uuid>[^=]+)=(?P<model>[^:]+):(?P<gb>\d+)$")
_SMI = ("--query-gpu=uuid,name,memory.total", "--format=csv,noheader,nounits")


@dataclass(frozen=True)
class FoundGpu:
    uuid: str
    model: str
    memory_gb: int


def given_gpus(texts: list[str]) -> list[FoundGpu]:
    """ALIGHT_GPUS, "UUID=MODEL:GB" each. Raises ValueError naming a bad one."""
    found = []
    for text in texts:
        match = _GIVEN.match(text)
        if not match:
            raise ValueError(
                f'ALIGHT_GPUS has "{text}". Write each GPU as UUID=MODEL:GB, '
                'such as "GPU-1a2b=A10:24".'
            )
        found.append(FoundGpu(match["uuid"], match["model"], int(match["gb"])))
    return found


def parse_smi(text: str) -> list[FoundGpu]:
    """Lines of "GPU-uuid, NVIDIA A10, 23028" (MiB) as nvidia-smi prints them."""
    found = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 3 and parts[2].isdigit():
            model = parts[1].removeprefix("NVIDIA ").removeprefix("Tesla ")
            found.append(FoundGpu(parts[0], model, round(int(parts[2]) / 1024)))
    return found


def local_gpus() -> list[FoundGpu] | None:
    """The GPUs of this machine; None when they cannot be told right now."""
    if settings.ALIGHT_GPUS:
        return given_gpus(settings.ALIGHT_GPUS)
    program = shutil.which("nvidia-smi")
    if not program:
        return []
    try:
        done = subprocess.run(
            [program, *_SMI], capture_output=True, text=True, timeout=20, check=True
        )
    except (subprocess.SubprocessError, OSError):
        log.warning("nvidia-smi did not answer; GPUs stay as they were known")
        return None
    return parse_smi(done.stdout)


def refresh(engine: Engine) -> Node:
    """Look at the node and write what is there. Raises EngineUnreachable.

    That it answers again is for `engine_found`, whose caller tells everyone.
    """
    info = engine.node()
    # Asked before the transaction: a driver that hangs must not keep writers out.
    found = local_gpus()
    now = timezone.now()
    with transaction.atomic():
        node, _ = Node.objects.update_or_create(
            name=info.name,
            defaults={
                "cores": info.cores,
                "memory_mb": info.memory_mb,
                "engine_version": info.engine_version,
                "seen_at": now,
            },
        )
        before = _known(node)
        for gpu in found or ():
            Gpu.objects.update_or_create(
                uuid=gpu.uuid,
                defaults={
                    "node": node,
                    "model": gpu.model,
                    "memory_gb": gpu.memory_gb,
                    "present": True,
                },
            )
        if found is not None:
            lost = node.gpus.exclude(uuid__in=[gpu.uuid for gpu in found])
            lost.update(present=False)
        if _known(node) != before:
            live.hardware_changed()
    return node


def _known(node: Node) -> list[tuple[Any, ...]]:
    """What pages show of its GPUs, apart from who holds them."""
    rows = node.gpus.order_by("uuid")
    return list(rows.values_list("uuid", "model", "memory_gb", "present"))


def engine_lost() -> bool:
    """Write that the engine does not answer. True when that is news."""
    nodes = Node.objects.filter(unreachable_since=None)
    return bool(nodes.update(unreachable_since=timezone.now()))


def engine_found() -> bool:
    """Write that it answers again. True when that is news."""
    nodes = Node.objects.exclude(unreachable_since=None)
    return bool(nodes.update(unreachable_since=None))
