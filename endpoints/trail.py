"""What a line of our logs is about: the request, the endpoint, the replica. Pure.

Carried in a context variable, so that threads and tasks that a request or a pass starts
have it too. The formatters of console/logs.py read it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

# What a message to the worker carries it in.
HEADER = "alight_request"


@dataclass(frozen=True)
class Trail:
    """request is "" outside of one; ids are 0 where it is about none."""

    request: str = ""
    endpoint: int = 0
    replica: int = 0


_now: ContextVar[Trail] = ContextVar("trail", default=Trail())  # noqa: B039 - frozen


def now() -> Trail:
    return _now.get()


@contextmanager
def about(
    *, request: str | None = None, endpoint: int | None = None, replica: int = 0
) -> Iterator[None]:
    """Lines written meanwhile are about this; what is not given stays as it is."""
    trail = replace(now(), replica=replica)
    if request is not None:
        trail = replace(trail, request=request)
    if endpoint is not None:
        trail = replace(trail, endpoint=endpoint)
    token = _now.set(trail)
    try:
        yield
    finally:
        _now.reset(token)


def new_request() -> str:
    """A name for a request that can be read out: "7f3a-19c2-4be0"."""
    return "-".join(secrets.token_hex(2) for _ in range(3))
