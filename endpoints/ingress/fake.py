"""An ingress in memory, for tests; it keeps the same promises as the real one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from endpoints.ingress.base import (
    Answers,
    Grant,
    IngressFull,
    IngressUnreachable,
    Route,
    RouteNow,
    Routes,
    Still,
    Traffic,
    always,
    no_route,
    stray_route,
    wrong_route,
)
from endpoints.ingress.routes import check


class FakeIngress:
    """Implements Ingress. routes is what it leads where; applied is every apply.

    reachable=False makes each call raise IngressUnreachable. A test opens and ends
    requests with `begin` and `end`.
    """

    def __init__(self, slots: int = 256, servers: int = 8) -> None:
        self.reachable = True
        self.routes: dict[str, Route] = {}
        self.applied: list[Route] = []
        # What waiting, answers and callers tell: a test fills them in.
        self.queued: Counter[str] = Counter()
        self.answered: dict[str, Answers] = {}
        self.called: Counter[str] = Counter()
        self._slots = slots
        self._servers = servers
        self._open: Counter[tuple[str, str]] = Counter()
        self._requests: Counter[str] = Counter()

    def apply(self, route: RouteNow) -> None:
        self._reach()
        wanted = route() if callable(route) else route
        check(wanted)
        self._lead(wanted)

    def introduce(self, route: RouteNow) -> None:
        self._reach()
        wanted = route() if callable(route) else route
        check(wanted)
        if wanted.name not in self.routes:
            self._lead(wanted)

    def forget(self, name: str) -> None:
        self._reach()
        self.routes.pop(name, None)
        self._requests.pop(name, None)

    def sync(self, routes: Routes) -> None:
        self._reach()
        wanted = routes() if callable(routes) else routes
        for name in self.routes.keys() - {route.name for route in wanted}:
            self.forget(name)
        full: IngressFull | None = None
        for route in wanted:
            try:
                self._lead(route)
            except IngressFull as error:
                full = error
        if full:
            raise full

    def differences(self, routes: Routes) -> list[str]:
        self._reach()
        wanted = routes() if callable(routes) else routes
        strays = self.routes.keys() - {route.name for route in wanted}
        told = [stray_route(name) for name in sorted(strays)]
        for route in wanted:
            has = self.routes.get(route.name)
            if has != route:
                told.append((wrong_route if has else no_route)(route.name))
        return told

    def open_requests(self, name: str, key: str) -> int:
        self._reach()
        return self._open[name, key]

    def traffic(self) -> dict[str, Traffic]:
        self._reach()
        return {name: self._traffic_of(name) for name in self.routes}

    def admit(self, name: str, grant: Grant, still: Still = always) -> None:
        self._reach()
        if still() and (route := self.routes.get(name)):
            others = {g for g in route.grants if g.digest != grant.digest}
            grants = tuple(sorted({*others, grant}))
            self.routes[name] = replace(route, grants=grants)

    def publish(self, name: str, *, public: bool, still: Still = always) -> None:
        self._reach()
        if still() and (route := self.routes.get(name)):
            self.routes[name] = replace(route, public=public)

    def expel(self, digests: Collection[str], *, but_at: Collection[str] = ()) -> None:
        self._reach()
        for name in self.routes.keys() - set(but_at):
            route = self.routes[name]
            grants = tuple(g for g in route.grants if g.digest not in digests)
            self.routes[name] = replace(route, grants=grants)

    def waiting(self) -> dict[str, int]:
        self._reach()
        return dict(+self.queued)

    def answers(self) -> dict[str, Answers]:
        self._reach()
        return dict(self.answered)

    def callers(self) -> dict[str, int]:
        self._reach()
        return dict(self.called)

    # -- what a client would do ------------------------------------------------------

    def begin(self, name: str) -> str:
        """A request arrives and stays open; answers the key of its upstream."""
        upstreams = self.routes[name].upstreams
        key = min(upstreams, key=lambda one: (self._open[name, one.key], one.key)).key
        self._requests[name] += 1
        self._open[name, key] += 1
        return key

    def end(self, name: str, key: str) -> None:
        """A request that began there is over."""
        self._open[name, key] -= 1

    # -- inside ------------------------------------------------------------------------

    def _reach(self) -> None:
        if not self.reachable:
            msg = "The ingress does not answer."
            raise IngressUnreachable(msg)

    def _lead(self, route: Route) -> None:
        new = route.name not in self.routes
        if new and len(self.routes) >= self._slots:
            msg = f"All {self._slots} places for endpoints are taken in the ingress."
            raise IngressFull(msg)
        if len(route.upstreams) > self._servers:
            msg = f"“{route.name}” has more replicas than the ingress takes."
            raise IngressFull(msg)
        self.routes[route.name] = route
        self.applied.append(route)

    def _traffic_of(self, name: str) -> Traffic:
        in_flight = sum(n for (owner, _), n in self._open.items() if owner == name)
        return Traffic(in_flight, self._requests[name])
