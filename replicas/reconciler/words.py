"""Sentences of the timeline that depend on what was seen. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from replicas.line import Standing
from templates_app.models import Tier

# Exit codes: killed, which is the kernel's doing when memory ran out; and a program
# that is not there or cannot be run.
OUT_OF_MEMORY = 137
NO_COMMAND = (126, 127)
# SIGKILL and SIGTERM: somebody, or an engine that stopped.
ENDED_FROM_OUTSIDE = (137, 143)

PAUSED = "Somebody paused its container. “docker unpause” lets it go on."
# dockerd that is killed while it starts a container forgets the address it gave it.
NO_ADDRESS = (
    "Its container runs, but the engine gives it no address, so nothing can reach it."
)


def gpu_text(models: Sequence[str], memory_gb: int, node: str) -> str:
    """ "A10 24 GB on gpu-02", "2 × A100 80 GB on gpu-03", "2 cores on box"."""
    memory = f" {memory_gb} GB" if memory_gb else ""
    count = f"{len(models)} × " if len(models) > 1 else ""
    return f"{count}{models[0]}{memory} on {node}"


def cpu_text(tier: Tier, node: str) -> str:
    cores = f"{tier.cores:g} core{'' if tier.cores == 1 else 's'}"
    return f"{cores}, {tier.memory_gb} GB memory on {node}"


def asking(tier: Tier) -> str:
    count = {1: "one", 2: "two", 3: "three", 4: "four"}.get(tier.gpus, str(tier.gpus))
    if not tier.gpus:
        return "Asking for a machine."
    return f"Asking for {count} {tier.gpu_model}."


def ordinal(number: int) -> str:
    if 10 <= number % 100 <= 20:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def in_line(tier: Tier, stands: Standing | None) -> str:
    """Why one who waits has no hardware yet. stands: None without GPUs to wait for."""
    if stands is None:
        return "The container engine does not answer. It is asked again."
    total, free = stands.total, stands.free
    if total < tier.gpus:
        have = f"only {total}" if total else "none"
        return (
            f"This needs {tier.gpus} × {tier.gpu_model} and there is {have} here. "
            "Choose another hardware tier, or add one: the replica then starts."
        )
    where = f"This replica is {ordinal(stands.place)} in line."
    if not free and stands.leaving:
        return f"No {tier.gpu_model} is free yet. {_leaving(stands.leaving)} {where}"
    if not free:
        return f"No {tier.gpu_model} is free. {where}"
    if free < tier.gpus:
        return f"This needs {tier.gpus} × {tier.gpu_model} and {free} is free. {where}"
    return f"The free {tier.gpu_model} is kept for a replica ahead. {where}"


def _leaving(count: int) -> str:
    """Why they are not free although nobody wants them any more."""
    if count == 1:
        return "One is, once the replica on it has finished its open requests."
    return f"{count} are, once the replicas on them have finished their open requests."


def gpu_lost(gone: Sequence[tuple[str, str, str]]) -> str:
    """gone: model, UUID and node of each. "A10 GPU-1a2b3c4d on gpu-02 stopped …"."""
    named = [f"{model} {uuid[:12]}" for model, uuid, _ in gone]
    who = f"{' and '.join(named)} on {gone[0][2]}" if gone else "Its GPU"
    return f"{who} stopped reporting. A new replica starts on another as it comes free."


def exited(code: int | None, oom: bool, memory_gb: int, error: str = "") -> str:
    """Why it ended, as far as that is known; "" when the code says it all.

    error: what the engine knows of a program that could not be run.
    """
    if oom and code == OUT_OF_MEMORY:
        return f"Out of memory: it used {memory_gb:.1f} of {memory_gb} GB."
    if code in NO_COMMAND and error:
        return error
    known = {
        0: "It ended by itself. A server has to keep running.",
        126: "The command could not be run: it is not a program.",
        127: "The command was not found in the image.",
        # The engine does not always hear of the second (known-gaps).
        137: "It was killed: by somebody, or because it ran out of memory.",
        139: "It crashed: it touched memory that is not its own.",
        143: "It was asked to end from outside.",
    }
    return known.get(code, "") if code is not None else ""


def exit_trouble(code: int | None, oom: bool) -> str:
    """One word for why it ended."""
    if oom and code == OUT_OF_MEMORY:
        return "OutOfMemory"
    if code in NO_COMMAND:
        return "NoSuchCommand"
    if code in ENDED_FROM_OUTSIDE:
        return "Killed"
    return "Ended" if code == 0 else "Exited"


def no_answer(path: str, heard: str, limit: str, hint: str) -> str:
    """Why a start took too long. heard: the last answer to a health check, such as
    "404"; hint: where it listens instead."""
    if path and heard.isdigit():
        return (
            f"{path} answered {heard}, never 200, for {limit}. Change the health check "
            "path, or make the container answer it with 200."
        )
    return f"The container started but did not answer within {limit}. {hint}".rstrip()
