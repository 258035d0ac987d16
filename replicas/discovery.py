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
from endpoints.holding import hold
from replicas.engine.base import Engine, EngineError, EngineUnreachable, FoundGpu
from replicas.models import Gpu, Node

log = logging.getLogger(__name__)

_GIVEN = re.compile(r"^(?P<uuid>[^=]+)=(?P<model>[^:]+):(?P<gb>\d+)$")
_SMI = ("--query-gpu=uuid,name,memory.total", "--format=csv,noheader,nounits")


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


def smi_gpus() -> list[FoundGpu] | None:
    """What this machine's own nvidia-smi says; None when it is not there or mute."""
    program = shutil.which("nvidia-smi")
    if not program or not settings.ALIGHT_DOCKER_HOST.startswith("unix:"):
        return None  # or the containers run on another machine
    try:
        done = subprocess.run(
            [program, *_SMI], capture_output=True, text=True, timeout=10, check=True
        )
    except (subprocess.SubprocessError, OSError) as error:
        log.info("nvidia-smi did not answer: %s", error)
        return None
    return parse_smi(done.stdout)


@dataclass(frozen=True)
class Look:
    """What a look at the node found. gpus: None when they cannot be told right now.
    way: what told it, for people."""

    gpus: list[FoundGpu] | None
    way: str


def look_for_gpus(engine: Engine) -> Look:
    """Takes seconds: a container is started. Raises EngineUnreachable.

    The engine's own word counts before that of the machine's driver: what it cannot
    give to a container is of no use. The driver is asked when the engine cannot tell.
    """
    if settings.ALIGHT_GPUS:
        return Look(given_gpus(settings.ALIGHT_GPUS), "the setting ALIGHT_GPUS")
    found = engine.gpus()
    if found is not None:
        return Look(found, "the container engine")
    return Look(smi_gpus(), "nvidia-smi on this machine")


def refresh(engine: Engine) -> Node:
    """Look at the node and write what is there. Raises EngineUnreachable.

    That it answers again is for `engine_found`, whose caller tells everyone. GPUs are
    for `refresh_gpus`.
    """
    info = engine.node()
    node, _ = Node.objects.update_or_create(
        name=info.name,
        defaults={
            "cores": info.cores,
            "memory_mb": info.memory_mb,
            # For people; what an engine says may be longer than its column.
            "engine_version": info.engine_version[:40],
            "seen_at": timezone.now(),
        },
    )
    return node


def refresh_gpus(engine: Engine) -> bool:
    """Look which GPUs there are and write it. True when something is other than before.

    One that is gone stays with its replica until that has ended. Takes seconds; raises
    EngineUnreachable.
    """
    node = refresh(engine)
    # Asked before the transaction: a driver that hangs must not keep writers out.
    found = look_for_gpus(engine).gpus
    if found is None:
        return False
    with transaction.atomic():
        hold(Node.objects.all())
        before = _known(node)
        for gpu in found:
            Gpu.objects.update_or_create(
                uuid=gpu.uuid,
                defaults={
                    "node": node,
                    "model": gpu.model,
                    "memory_gb": gpu.memory_gb,
                    "present": True,
                },
            )
        lost = node.gpus.filter(present=True)
        lost.exclude(uuid__in=[gpu.uuid for gpu in found]).update(present=False)
        changed = _known(node) != before
        if changed:
            live.hardware_changed()
    return changed


def _known(node: Node) -> list[tuple[Any, ...]]:
    """What pages show of its GPUs, apart from who holds them."""
    rows = node.gpus.order_by("uuid")
    return list(rows.values_list("uuid", "model", "memory_gb", "present"))


def has_gpus() -> bool:
    return Gpu.objects.filter(present=True).exists()


def lost_gpus() -> list[int]:
    """Endpoints with a replica whose GPU is gone."""
    lost = Gpu.objects.filter(present=False).exclude(replica=None)
    return list(lost.order_by().values_list("replica__endpoint", flat=True).distinct())


def answers(engine: Engine) -> bool:
    """Whether the engine answers at all, asked after one call of it did not."""
    try:
        engine.node()
    except EngineUnreachable:
        return False
    except EngineError:
        pass  # it said something
    return True


def engine_away() -> bool:
    return Node.objects.exclude(unreachable_since=None).exists()


def engine_lost() -> bool:
    """Write that the engine does not answer. True when that is news."""
    nodes = Node.objects.filter(unreachable_since=None)
    return bool(nodes.update(unreachable_since=timezone.now()))


def engine_found() -> bool:
    """Write that it answers again. True when that is news."""
    nodes = Node.objects.exclude(unreachable_since=None)
    return bool(nodes.update(unreachable_since=None))
