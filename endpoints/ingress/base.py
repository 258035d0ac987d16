"""What the ingress is told, as plain data, and the errors it raises."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
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


# `until` of a grant that does not end: the last second HAProxy can be told.
NEVER = 4_102_444_800


@dataclass(frozen=True, order=True)
class Grant:
    """Somebody who may call a private endpoint.

    digest: upper-case hex SHA-256 of what they show: the whole Authorization header
    ("Bearer alt_…") or the value of the endpoint's own cookie. until: Unix time in
    seconds after which it no longer counts.
    """

    digest: str
    until: int = NEVER


def seal(grants: Iterable[Grant]) -> str:
    """Tells one set of grants from another."""
    rows = sorted(f"{one.digest} {one.until}" for one in grants)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Route:
    """Where an endpoint's host leads.

    host: full host name without port. state: what holds while nobody is ready:
    "starting", "idle" (a request wakes it, and waits), "paused", "failed" (answered at
    once, `reason` says why in a sentence). concurrency: requests one replica handles
    at a time, 0 for no limit; further ones wait in line. most_open: requests open at
    once, those in line included, before one is turned away; 0 for the ingress's own
    limit. hold: seconds a request waits for a replica at most.
    """

    name: str
    host: str
    public: bool
    state: str
    upstreams: tuple[Upstream, ...] = ()
    grants: tuple[Grant, ...] = ()
    concurrency: int = 0
    most_open: int = 0
    hold: int = 300
    reason: str = ""

    @cached_property
    def seal(self) -> str:
        """That of its grants."""
        return seal(self.grants)


@dataclass(frozen=True)
class Traffic:
    """Requests of one endpoint: in flight now (queued included), seen in total."""

    in_flight: int
    requests: int


# Seconds: upper bounds of the buckets in which answers are counted by the time from
# the request's arrival to the answer's first byte, waiting included. One more bucket
# holds what took longer.
BOUNDS = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 120.0,
    300.0,
)  # fmt: skip


@dataclass(frozen=True)
class Answers:
    """Answers of one endpoint, counted since the ingress began (it may begin anew).

    classes: how many were 1xx, 2xx, 3xx, 4xx, 5xx, those of the ingress itself
    included. buckets: how many took how long, one number for each of BOUNDS and one
    for longer (not cumulative; the replicas' answers only). held: requests that
    waited for a replica to start.
    """

    classes: tuple[int, int, int, int, int]
    buckets: tuple[int, ...]
    held: int


def no_route(name: str) -> str:
    return f"{name} has no route in the ingress."


def wrong_route(name: str) -> str:
    return f"The ingress leads {name} elsewhere, or lets in others, than it should."


def stray_route(name: str) -> str:
    return f"The ingress has a route for {name}, which is no endpoint."


# What apply and sync take: the routes, or how to find them out.
RouteNow = Route | Callable[[], Route]
Routes = list[Route] | Callable[[], list[Route]]


# Whether what is asked for holds by now.
Still = Callable[[], bool]


def always() -> bool:
    return True


class Ingress(Protocol):
    """All raise IngressUnreachable; apply, introduce and sync also IngressFull.

    A sync that raises IngressFull has done all it had room for.
    """

    def apply(self, route: RouteNow) -> None:
        """Make the ingress lead `route.host` exactly there. Repeating is harmless.

        A callable is asked while nothing else can come between, as that of `sync` is:
        whoever was expelled meanwhile is not let in again by what was read before.
        """
        ...

    def introduce(self, route: RouteNow) -> None:
        """Lead `route.host` there, unless the endpoint is known already.

        For one that was just made: whoever knows it already knows more of it.
        """
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

    def differences(self, routes: Routes) -> list[str]:
        """What `sync` would change, a sentence for each endpoint; none when all match.

        Changes nothing.
        """
        ...

    def open_requests(self, name: str, key: str) -> int:
        """Requests still open on one upstream, also one that left; 0 when unknown."""
        ...

    def admit(self, name: str, grant: Grant, still: Still = always) -> None:
        """Let this one in as well, at once. `apply` and `sync` must list it later.

        still: asked while nothing else can come between; False: nothing is done.
        Unknown names are fine.
        """
        ...

    def publish(self, name: str, *, public: bool, still: Still = always) -> None:
        """Let everybody in, or only those with a grant, at once. still: as in `admit`.

        `apply` and `sync` must say the same later. Unknown names are fine.
        """
        ...

    def expel(self, digests: Collection[str], *, but_at: Collection[str] = ()) -> None:
        """Let these in nowhere, at once. but_at: names of endpoints left alone."""
        ...

    def traffic(self) -> dict[str, Traffic]:
        """In-flight and totals by endpoint name. Cheap: asked every second."""
        ...

    def waiting(self) -> dict[str, int]:
        """Requests in line for a place at a replica, by endpoint name; 0 left out."""
        ...

    def answers(self) -> dict[str, Answers]:
        """Answers by endpoint name, of those that had any."""
        ...

    def callers(self) -> dict[str, int]:
        """Use by digest of the grant, since the ingress began: it grows while a grant
        is used, by one a connection and second at least, by one a request at most."""
        ...
