"""Since when nobody needs an endpoint, from what is known of it.

Times are read from a clock that may be put back: one in the future counts as now, from
when it was first seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from endpoints.ingress.base import Traffic
from endpoints.models import Endpoint
from replicas.scaling.policy import Policy
from replicas.states import ReplicaState as S

# What runs, or was woken, is left alone so long even with an idle timeout of 0:
# somebody has to have had the time to use it.
FLOOR = timedelta(seconds=10)
# An image that takes longer counts as one that never comes.
FETCHING = timedelta(minutes=30)


@dataclass
class Crew:
    """An endpoint's replicas that are to serve, now or soon.

    begun: since when the newest could have had a request. fetching, starting: since
    when the newest of these gets its image, or starts.
    """

    ready: int = 0
    begun: datetime | None = None
    fetching: datetime | None = None
    starting: datetime | None = None

    def add(
        self,
        state: str,
        attempt: int,
        made: datetime,
        ready: datetime | None,
        since: datetime,
        started: datetime | None,
    ) -> None:
        self.ready += state == S.READY
        # A container that came back after a crash is no news for the idle timeout.
        self.begun = _newer(self.begun, ready if ready and attempt == 1 else made)
        if state in (S.ASSIGNED, S.PULLING):
            self.fetching = _newer(self.fetching, since)
        elif state == S.STARTING:
            self.starting = _newer(self.starting, started or since)


@dataclass
class Memory:
    """What a scaler saw of an endpoint.

    requests: its counter; None before the first look. used_at: when somebody asked.
    spared_at: when it was last counted as used though nobody was seen to ask.
    awake_at: since when it may run, as far as this scaler saw; None while it sleeps.
    """

    policy: Policy = field(default_factory=Policy)
    requests: int | None = None
    used_at: datetime | None = None
    spared_at: datetime | None = None
    awake_at: datetime | None = None
    _moments: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)

    def note(self, endpoint: Endpoint, seen: Traffic, now: datetime) -> None:
        first = self.requests is None
        self._keep_past(now)
        # A counter that began anew has another number too, unless nobody came.
        new = not first and seen.requests != self.requests
        if seen.in_flight or (new and seen.requests):
            self.used_at = now
        elif endpoint.last_request_at:
            told = self.moment("told", endpoint.last_request_at, now)
            self.used_at = _newer(self.used_at, told)
        self._note_awake(endpoint, seen, now, first=first)
        self.requests = seen.requests

    def _note_awake(
        self, endpoint: Endpoint, seen: Traffic, now: datetime, *, first: bool
    ) -> None:
        if not endpoint.wanted_count:
            self.awake_at = None
            return
        if self.awake_at is not None:
            return
        self.awake_at = now
        # Nobody wrote how the counter came to its number while no worker looked. What
        # was asleep a moment ago was woken.
        unknown = seen.requests or endpoint.last_request_at is None
        if unknown or not first:
            self.spared_at = now

    def moment(self, what: str, at: datetime, now: datetime) -> datetime:
        """`at`, or the first moment it was seen where that was earlier."""
        known = self._moments.get(what)
        past = known[1] if known and known[0] == at else at
        self._moments[what] = (at, min(past, now))
        return min(past, now)

    def _keep_past(self, now: datetime) -> None:
        self.used_at = self.used_at and min(self.used_at, now)
        self.spared_at = self.spared_at and min(self.spared_at, now)
        self.awake_at = self.awake_at and min(self.awake_at, now)


def is_idle(
    endpoint: Endpoint, memory: Memory, seen: Traffic, crew: Crew, now: datetime
) -> bool:
    """Whether all of it may go; `memory` has noted what is seen."""
    if seen.in_flight or crew.begun is None:
        return False  # one that has no replica yet is about to get one
    begun = memory.moment("begun", crew.begun, now)
    if now - (memory.awake_at or begun) < FLOOR or now - begun < FLOOR:
        return False
    if crew.fetching and now - memory.moment("fetching", crew.fetching, now) < FETCHING:
        return False
    if crew.starting:
        starting = memory.moment("starting", crew.starting, now)
        if now - starting < timedelta(seconds=endpoint.start_timeout):
            return False
    since = max(at for at in (begun, memory.used_at, memory.spared_at) if at)
    return now - since >= timedelta(seconds=endpoint.idle_timeout)


def _newer(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)
