"""No replica stays in a state on its way past that state's deadline.

Measured by the time of looking, not by the rows' clock, which a fault may turn.
"""

import time

from tests.chaos.checks import Check

# Seconds each may last, faults of up to half a minute included: what it takes of
# itself (a start 30 s, an end its grace and the reading of its last lines) and 60 more.
LIMITS = {"assigned": 70, "pulling": 70, "starting": 100, "stopping": 90}


class Deadlines(Check):
    name = "no replica past its deadline"

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._seen = {}

    def always(self, world):
        now = self._clock()
        there = {
            (r.id, r.attempt, r.state): r for r in world.alive if r.state in LIMITS
        }
        self._seen = {key: self._seen.get(key, now) for key in there}
        return [
            f"{there[key].endpoint}: replica {there[key].number} is {key[2]}"
            f" for {now - since:.0f} s"
            for key, since in self._seen.items()
            if now - since > LIMITS[key[2]]
        ]
