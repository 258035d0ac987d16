"""Questions to the worker, which alone talks to the engine.

It listens on a private socket of this machine (ALIGHT_WORKER_SOCKET); its side is
replicas/runner/door.py. The caller says who asks and has checked that they may.
Passwords travel in the body, and nothing here logs one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from django.conf import settings

# Seconds: to be let in, and to have a whole answer. The worker gives up sooner and
# says why.
_CONNECT = 2.0
_ANSWER = 10.0
# Seconds of silence after which a download counts as broken.
_SILENCE = 60.0


class WorkerAway(Exception):
    """Nobody answers, or too late. The text says what was not done, and what to do."""


class WorkerRefused(Exception):
    """The worker could not do it. The text is a sentence; `reason` a word such as
    "RegistryRefused" (see `replicas.engine.base`)."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class ImageFacts:
    """What can be known of an image before it is pulled.

    present: whether the node has it. ports: TCP ports it exposes. volumes: paths it
    declares. size: bytes to pull, or on disk when present; 0 when unknown.
    """

    present: bool
    ports: tuple[int, ...]
    volumes: tuple[str, ...]
    size: int
    digest: str = ""


def image_facts(owner_id: int, image: str, registry: str = "") -> ImageFacts:
    """`registry` is the key of the owner's sign-in to ask with; "" for none.

    Raises WorkerRefused: ImageNotFound, RegistryRefused, RegistryUnreachable and what
    else an engine may say; WorkerAway.
    """
    asked = {"owner_id": owner_id, "image": image, "registry": registry}
    found = _ask("/image-facts", asked, "so the image could not be checked")
    return ImageFacts(
        present=found["present"],
        ports=tuple(found["ports"]),
        volumes=tuple(found["volumes"]),
        size=found["size"],
        digest=found["digest"],
    )


def check_sign_in(registry: str, username: str, password: str) -> None:
    """Sign in to the registry once, and keep nothing of it.

    Raises WorkerRefused (RegistryRefused, RegistryUnreachable) or WorkerAway.
    """
    asked = {"registry": registry, "username": username, "password": password}
    _ask("/check-sign-in", asked, "so the sign-in could not be checked")


def _ask(path: str, asked: dict[str, Any], cost: str) -> Any:
    """The worker's answer; `cost` says what is not done when it does not come."""
    # Plain HTTP: not reading the list of authorities saves most of the time.
    transport = httpx.HTTPTransport(uds=settings.ALIGHT_WORKER_SOCKET, verify=False)
    try:
        with httpx.Client(transport=transport, timeout=_limits(_ANSWER)) as client:
            answer = client.post(f"http://worker{path}", json=asked)
    except httpx.TransportError:
        raise _away(cost) from None
    return _checked(answer)


def _limits(answer: float) -> httpx.Timeout:
    return httpx.Timeout(answer, connect=_CONNECT, write=_CONNECT)


def _away(cost: str) -> WorkerAway:
    return WorkerAway(f"The worker does not answer, {cost}. See “make status”.")


def _checked(answer: httpx.Response) -> Any:
    said = answer.json()
    if answer.is_success:
        return said
    raise WorkerRefused(said["message"], said["reason"])
