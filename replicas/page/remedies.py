"""What is wrong, in two or three words, and the one thing to do about it.

A failure has a trouble word: `Replica.trouble`, and `trouble` in its event's data. Only
here is known what people are told for it, and which button helps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from django.urls import NoReverseMatch, reverse

from endpoints.models import Endpoint
from templates_app.models import Tier

How = Literal["link", "post", "logs", "dialog", "form", "notify"]


@dataclass(frozen=True)
class Act:
    """One thing to press.

    key: the end of its element's id. to: the address of a link or a POST. name, value:
    what a POST sends; for "dialog", the replica's name and id. "form" opens the dialog
    whose id is `value`; without scripts it is the link at `to`.
    """

    key: str
    label: str
    icon: str
    how: How = "link"
    to: str = ""
    name: str = ""
    value: str = ""


# Trouble word -> what it is called on a bubble and in the list.
LABELS = {
    "ImageNotFound": "Image not found",
    "RegistryRefused": "Sign-in refused",
    "RegistryUnreachable": "Registry unreachable",
    "RateLimited": "Too many pulls",
    "DiskFull": "Disk full",
    "BuildFailed": "Build failed",
    "NoSuchCommand": "No such command",
    "OutOfMemory": "Out of memory",
    "Killed": "Ended from outside",
    "Ended": "Ended by itself",
    "WrongPort": "Wrong port",
    "StartTimedOut": "No answer in time",
    "HealthCheckFailed": "Health check failed",
    "NotAnswering": "Stopped answering",
    "ContainerGone": "Container removed",
    "AddressLost": "Address lost",
    "GpuLost": "GPU lost",
    "GpuUnavailable": "GPU unavailable",
    "EngineUnreachable": "Docker is away",
    "EngineSlow": "Docker is slow",
    "ImageSlow": "Image too slow",
    "EngineRefused": "Docker refused",
    "SecretLost": "Secret missing",
}

# Trouble word -> the form's field that mends it, and what the button says.
_FIELDS = {
    "ImageNotFound": ("image", "Change the image"),
    "RegistryRefused": ("image", "Change the sign-in"),
    "NoSuchCommand": ("command", "Change the command"),
    "Ended": ("command", "Change the command"),
    "StartTimedOut": ("startup", "Allow more time"),
    "HealthCheckFailed": ("health", "Change the health check"),
    "WrongPort": ("port", "Change the port"),
    "GpuUnavailable": ("g-hw", "Choose other hardware"),
}


@dataclass(frozen=True)
class Case:
    """One failure. ports: where the container listens. larger: a tier to move to."""

    trouble: str
    code: int | None = None
    ports: tuple[int, ...] = ()
    larger: Tier | None = None


def label(trouble: str, code: int | None = None) -> str:
    """ "Out of memory", "Exit code 1"; "" for what has no name of its own."""
    if trouble == "Exited" and code is not None:
        return f"Exit code {code}"
    return LABELS.get(trouble, "")


def remedy(case: Case, endpoint: Endpoint) -> Act | None:
    """The next step, if there is a better one than reading the logs."""
    if case.ports:
        return use_port(endpoint, case.ports[0])
    if case.trouble == "OutOfMemory" and case.larger:
        return _move(endpoint, case.larger)
    if case.trouble == "SecretLost":
        return link("secrets", "Open Secrets", "key-round", "endpoints:secrets")
    if case.trouble in _FIELDS:
        field, words = _FIELDS[case.trouble]
        return edit(endpoint, words, field)
    return None


def use_port(endpoint: Endpoint, port: int) -> Act:
    return Act(
        f"port-{port}",
        f"Use port {port}",
        "check",
        "post",
        address("replicas:port", endpoint.name),
        "port",
        str(port),
    )


def _move(endpoint: Endpoint, tier: Tier) -> Act:
    return Act(
        "tier",
        f"Move to {tier.name} ({tier.memory_gb} GB)",
        "arrow-right",
        "post",
        address("replicas:tier", endpoint.name),
        "tier",
        tier.slug,
    )


def edit(
    endpoint: Endpoint, words: str = "Edit settings", field: str = ""
) -> Act | None:
    """To the form, at the field that matters."""
    act = link("edit", words, "pencil", "endpoints:edit", endpoint.name)
    return replace(act, to=f"{act.to}#{field}") if act and field else act


def link(key: str, words: str, icon: str, view: str, *args: object) -> Act | None:
    to = address(view, *args)
    return Act(key, words, icon, "link", to) if to else None


def address(view: str, *args: object) -> str:
    """Where that page is; "" while there is none."""
    try:
        return reverse(view, args=args)
    except NoReverseMatch:
        return ""


def larger_than(tier: Tier, others: list[Tier]) -> Tier | None:
    """The next tier with more memory that has at least the same GPUs.

    others: those that this installation can give. One without more GPUs comes first.
    """
    fitting = [
        other
        for other in others
        if other.memory_mb > tier.memory_mb
        and other.gpus >= tier.gpus
        and other.gpu_memory_gb >= tier.gpu_memory_gb
    ]
    return min(
        fitting,
        key=lambda other: (other.gpus > tier.gpus, other.memory_mb, other.position),
        default=None,
    )
