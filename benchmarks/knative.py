"""Knative's published autoscaling algorithm, as its documentation and source describe
it (serving v1.16: pkg/autoscaler/scaling/autoscaler.go, config defaults), written anew
for replays beside ours.

Every 2 s: the mean of concurrency over 60 s and over 6 s, divided by 70 % of the
target; at most 1000-fold up and down to half at a step; a panic begins when the short
window asks for 200 % of what is ready and ends after 60 s without that; in panic the
count never falls. To zero 30 s after the stable window saw nothing.
"""

from __future__ import annotations

import math

from replicas.scaling.replay import Moment, Scaling, Setting
from replicas.scaling.windows import Mean, Most

TICK = 2
STABLE, PANIC = 60, 6
UTILISATION = 0.7
PANIC_THRESHOLD = 2.0
MOST_UP, MOST_DOWN = 1000.0, 2.0
ZERO_GRACE = 30


def knative(
    setting: Setting, *, utilisation: float = UTILISATION, delay: int = 0
) -> Scaling:
    """delay: its scale-down-delay in seconds (none by default)."""
    target = setting.target * utilisation
    stable, short, delayed = Mean(STABLE), Mean(PANIC), Most()
    panic_at: int | None = None
    panic_most = 0
    nothing_since: int | None = None
    last = setting.minimum

    def scale(moment: Moment) -> int:
        nonlocal panic_at, panic_most, nothing_since, last
        stable.record(moment.now, moment.in_flight)
        short.record(moment.now, moment.in_flight)
        if moment.now % TICK:
            return last
        ready = max(1, moment.ready)
        up, down = math.ceil(MOST_UP * ready), math.floor(ready / MOST_DOWN)
        from_stable = math.ceil(round(stable.value / target, 6))
        from_short = math.ceil(round(short.value / target, 6))
        count = min(max(from_stable, down), up)
        in_panic = min(max(from_short, down), up)
        if from_short / ready >= PANIC_THRESHOLD:
            panic_at = moment.now
        elif panic_at is not None and moment.now - panic_at > STABLE:
            panic_at, panic_most = None, 0
        if panic_at is not None:
            panic_most = max(panic_most, count, in_panic)
            count = panic_most
        if delay:
            delayed.record(moment.now, count)
            count = delayed.within(moment.now, delay)
        if count == 0:
            nothing_since = moment.now if nothing_since is None else nothing_since
            if moment.now - nothing_since < ZERO_GRACE:
                count = 1
        else:
            nothing_since = None
        last = min(max(count, setting.minimum), setting.maximum)
        return last

    return scale
