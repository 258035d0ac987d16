"""Questions to the worker, which alone talks to the engine.

It listens on a private socket of this machine (ALIGHT_WORKER_SOCKET); its side is
replicas/runner/door.py. The caller says who asks and has checked that they may.
Passwords travel in the body, and nothing here logs one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
from django.conf import settings

from endpoints import advice

# Seconds: to be let in, and to have a whole answer. The worker gives up sooner and
# says why.
_CONNECT = 2.0
_ANSWER = 10.0
# Seconds of silence after which a download counts as broken.
_SILENCE = 60.0


class WorkerAway(Exception):
    """Nobody answers, or too late. The text says what was not done, and what to do."""


class WorkerSlow(WorkerAway):
    """It listens, but has not answered in time."""


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


def measure_volumes(owner_id: int | None, *, seconds: float = _ANSWER) -> None:
    """See to it that the sizes of the account's volumes are fresh; None: everyone's.

    Raises WorkerRefused or WorkerAway, also when it takes longer than `seconds`: the
    worker goes on measuring then.
    """
    asked = {"owner_id": owner_id}
    cost = "so volumes could not be measured"
    _ask("/measure-volumes", asked, cost, seconds=seconds)


def look_at_volumes() -> None:
    """Have volumes that are to be deleted deleted now. Raises as the others do."""
    _ask("/look-at-volumes", {}, "so volumes are deleted later", seconds=5.0)


async def volume_archive(volume_id: int) -> AsyncGenerator[bytes, None]:
    """A tar of the volume's files, as it is made: close it to stop early.

    What is wrong before the first byte is raised here: WorkerRefused or WorkerAway.
    Later the generator raises ConnectionError, and what was read is not all.
    """
    transport = httpx.AsyncHTTPTransport(
        uds=settings.ALIGHT_WORKER_SOCKET, verify=False
    )
    client = httpx.AsyncClient(transport=transport, timeout=_limits(_SILENCE))
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(client)
        try:
            answer = await opened.enter_async_context(
                client.stream("GET", f"http://worker/volumes/{volume_id}/archive")
            )
            if not answer.is_success:
                await answer.aread()
        except httpx.TransportError:
            raise _away("so the download cannot start") from None
        if not answer.is_success:
            _checked(answer)
        return _pieces(answer, opened.pop_all())


async def _pieces(
    answer: httpx.Response, opened: AsyncExitStack
) -> AsyncGenerator[bytes, None]:
    async with opened:
        try:
            async for piece in answer.aiter_raw():
                yield piece
        except httpx.TransportError as error:
            raise ConnectionError("the worker broke off") from error


def _ask(
    path: str, asked: dict[str, Any], cost: str, seconds: float | None = None
) -> Any:
    """The worker's answer; `cost` says what is not done when it does not come."""
    limits = _limits(seconds or _ANSWER)
    # Plain HTTP: not reading the list of authorities saves most of the time.
    transport = httpx.HTTPTransport(uds=settings.ALIGHT_WORKER_SOCKET, verify=False)
    try:
        with httpx.Client(transport=transport, timeout=limits) as client:
            answer = client.post(f"http://worker{path}", json=asked)
    except httpx.ReadTimeout:
        raise WorkerSlow(
            f"The worker has not answered in time, {cost}. See “{advice.status()}”."
        ) from None
    except httpx.TransportError:
        raise _away(cost) from None
    return _checked(answer)


def _limits(answer: float) -> httpx.Timeout:
    return httpx.Timeout(answer, connect=_CONNECT, write=_CONNECT)


def _away(cost: str) -> WorkerAway:
    return WorkerAway(f"The worker does not answer, {cost}. See “{advice.status()}”.")


def _checked(answer: httpx.Response) -> Any:
    said = answer.json()
    if answer.is_success:
        return said
    raise WorkerRefused(said["message"], said["reason"])
