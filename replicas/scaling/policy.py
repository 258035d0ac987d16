"""How many replicas an endpoint should have, from its traffic. Pure.

The shape is Knative's: the mean of the requests in flight over a stable window says how
many are needed; a short window that asks for twice what is ready is a panic, in which
its mean counts as well and nothing goes. What differs: a load that lasted three looks
counts whole in a panic, and a replica goes only when it was not needed for the
endpoint's whole idle timeout (ADR 12).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from replicas.scaling.windows import Lasting, Mean, Most

# Seconds.
STABLE, PANIC = 60.0, 6.0
# The short window needs this many times what is ready: a panic, which lasts until
# STABLE seconds have passed without that.
THRESHOLD = 2.0
# Looks after which a load is no spike any more.
LASTING = 3


@dataclass(frozen=True)
class Facts:
    """What a decision depends on.

    wanted: how many should run by the last decision. target: requests one replica
    handles. in_flight: the mean that counts now. needed: the most replicas that were
    needed within the idle timeout. idle: there was no request in all that time, and
    no replica is still on its way up for the first time.
    """

    wanted: int
    ready: int
    minimum: int
    maximum: int
    target: int
    in_flight: float
    needed: int
    panic: bool
    idle: bool


def needs(in_flight: float, target: int) -> int:
    """Replicas for so many requests. A mean of whole numbers is exact enough."""
    return math.ceil(round(in_flight / target, 6))


def decide(facts: Facts) -> int:
    """The number that should run. First row that fits, within minimum and maximum:

    idle  ready  it needs        panic  so many
    yes   –      –               –      the minimum
    no    0      –               –      as many as before, one at least
    no    ≥ 1    more than run   –      what it needs
    no    ≥ 1    fewer           yes    as many as before
    no    ≥ 1    fewer           no     the most it needed within the idle timeout
    """
    if facts.idle:
        return min(facts.minimum, facts.maximum)
    now = needs(facts.in_flight, facts.target)
    if not facts.ready:
        # Those who wait for the first one say little: it may serve them all at once.
        count = facts.wanted
    elif now > facts.wanted:
        count = now
    elif facts.panic:
        count = facts.wanted
    else:
        count = min(facts.wanted, max(now, facts.needed))
    return min(max(count, facts.minimum, 1), facts.maximum)


@dataclass(frozen=True)
class Seen:
    """An endpoint at one moment. idle_timeout in seconds; the rest as in Facts, with
    in_flight as it is now."""

    in_flight: int
    wanted: int
    ready: int
    minimum: int
    maximum: int
    target: int
    idle_timeout: int
    idle: bool = False


@dataclass(frozen=True)
class Decision:
    """in_flight: the requests it was taken for, in whole numbers."""

    count: int
    in_flight: int
    panic: bool


class Policy:
    """One endpoint's recent past; `look` is called about every second."""

    def __init__(self) -> None:
        self._stable, self._short = Mean(STABLE), Mean(PANIC)
        self._lasting = Lasting(LASTING)
        self._needed = Most()
        self._panic_until: float | None = None
        # Until then those who waited for the first replica are its to serve.
        self._backlog_until: float | None = None
        self._begun = False

    def look(self, now: float, seen: Seen) -> Decision:
        """now: seconds on a clock that every call shares."""
        if not self._begun:
            # What runs was needed a moment ago, as far as anybody knows.
            self._needed.record(now, seen.wanted)
            self._begun = True
        load = 0 if self._is_backlog(now, seen) else seen.in_flight
        for window in (self._stable, self._short):
            window.record(now, load)
        self._lasting.record(load)
        surge = max(self._short.value, self._lasting.value)
        panic = self._panics(now, needs(surge, seen.target), seen.ready)
        in_flight = max(self._stable.value, surge if panic else 0.0)
        needed = max(needs(in_flight, seen.target), seen.minimum)
        self._needed.record(now, needed)
        facts = Facts(
            wanted=seen.wanted,
            ready=seen.ready,
            minimum=seen.minimum,
            maximum=seen.maximum,
            target=seen.target,
            in_flight=in_flight,
            needed=self._needed.within(now, seen.idle_timeout),
            panic=panic,
            idle=seen.idle,
        )
        return Decision(decide(facts), math.ceil(round(in_flight, 6)), panic)

    def _is_backlog(self, now: float, seen: Seen) -> bool:
        """Whether what is in flight only waited for a replica: none is ready, or the
        first one just now. A hundred that came at once have started one."""
        if not seen.ready:
            self._backlog_until = now + PANIC
        return self._backlog_until is not None and now < self._backlog_until

    def _panics(self, now: float, needed: int, ready: int) -> bool:
        if ready and needed >= THRESHOLD * ready:
            self._panic_until = now + STABLE
        elif self._panic_until is not None and now >= self._panic_until:
            self._panic_until = None
        return self._panic_until is not None
