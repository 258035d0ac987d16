"""What an endpoint is up to, in one word, and how that word follows from facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum


class Phase(StrEnum):
    """An endpoint's phase. Values are also the bubble's data-state in the pages."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    UNHEALTHY = "unhealthy"
    FAILED = "failed"
    STOPPING = "stopping"
    IDLE = "idle"
    PAUSED = "paused"
    DELETING = "deleting"


# States in which a replica is on its way up, and none of them is waiting.
COMING = frozenset({"assigned", "pulling", "starting"})


def derive_phase(
    *, deleting: bool, paused: bool, wanted: int, replicas: Sequence[str]
) -> Phase:
    """The phase, from the wish and the states of the replicas. First row that fits:

    deleting  paused  wanted  a replica is …            phase
    yes       –       –       –                         DELETING
    no        no      –       ready                     READY
    no        no      –       unhealthy                 UNHEALTHY
    no        yes     –       any but stopped           STOPPING
    no        yes     –       none                      PAUSED
    no        no      0       any but stopped           STOPPING
    no        no      0       none                      IDLE
    no        no      ≥ 1     failed                    FAILED
    no        no      ≥ 1     assigned … starting       STARTING
    no        no      ≥ 1     waiting or none yet       WAITING
    """
    has = Counter(replicas)
    del has["stopped"]
    if deleting:
        return Phase.DELETING
    if has["ready"] and not paused:
        return Phase.READY
    if has["unhealthy"] and not paused:
        return Phase.UNHEALTHY
    if paused or not wanted:
        rest = Phase.PAUSED if paused else Phase.IDLE
        return Phase.STOPPING if has.total() else rest
    if has["failed"]:
        return Phase.FAILED
    return Phase.STARTING if any(has[state] for state in COMING) else Phase.WAITING
