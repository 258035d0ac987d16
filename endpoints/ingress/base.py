"""What the ingress is told, as plain data, and the errors it raises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class IngressUnreachable(Exception):
    """The ingress does not answer on its runtime socket."""


class IngressFull(Exception):
    """There is no room for it; the message says which setting gives more."""


@dataclass(frozen=True, order=True)
class Upstream:
    """One replica that may receive requests: its own address, not a published port.

    key names the replica and attempt, so that a new attempt at the same address is a
    new upstream.
    """

    key: str
    address: str
    port: int


@dataclass(frozen=True)
class Route:
    """Where an endpoint's host leads.

    host: full host name without port. state: what an answer without replicas says:
    "starting", "paused", "failed", "idle". tokens: upper-case hex SHA-256 of the whole
    Authorization header ("Bearer alt_…") of those who may call. concurrency: requests
    one replica handles at a time, 0 for no limit.
    """

    name: str
    host: str
    public: bool
    state: str
    upstreams: tuple[Upstream, ...] = ()
    tokens: tuple[str, ...] = ()
    concurrency: int = 0


@dataclass(frozen=True)
class Traffic:
    """Requests of one endpoint: in flight now (queued included), seen in total."""

    in_flight: int
    requests: int


# What sync takes: the routes, or how to find them out.
Routes = list[Route] | Callable[[], list[Route]]


class Ingress(Protocol):
    """All raise IngressUnreachable; apply and sync also IngressFull.

    A sync that raises IngressFull has done all it had room for.
    """

    def apply(self, route: Route) -> None:
        """Make the ingress lead `route.host` exactly there. Repeating is harmless."""
        ...

    def forget(self, name: str) -> None:
        """Stop answering for this endpoint. Unknown names are fine."""
        ...

    def sync(self, routes: Routes) -> None:
        """Make the whole ingress match: add, correct, and drop what is not listed.

        A callable is asked while no apply can come between: what it answers is never
        older than what the ingress already leads to.
        """
        ...

    def open_requests(self, name: str, key: str) -> int:
        """Requests still open on one upstream, also one that left; 0 when unknown."""
        ...

    def traffic(self) -> dict[str, Traffic]:
        """In-flight and totals by endpoint name."""
        ...
