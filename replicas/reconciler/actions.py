"""What the plan may say: actions as data, and the limits it goes by."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from replicas.engine.base import Observed
from replicas.reconciler.snapshot import ReplicaFacts


@dataclass(frozen=True)
class Add:
    """A new replica in this place."""

    number: int


@dataclass(frozen=True)
class Drop:
    """A container nobody owns any more."""

    container_id: str


@dataclass(frozen=True)
class Forget:
    """The endpoint's row: nothing of it is left."""


@dataclass(frozen=True)
class Settle:
    """This revision runs in full, or in as much as there is hardware for."""

    revision: int


@dataclass(frozen=True)
class StopRollout:
    """The revision cannot become ready: the one that ran before serves on."""

    revision: int
    fallback: int
    replica: ReplicaFacts


Verb = Literal[
    "assign",  # book hardware, or take a place in line
    "fetch",  # get the image
    "fetch_timeout",  # the image has not come in time
    "launch",  # create and start the container
    "adopt",  # a container of ours runs, or runs anew, unknown to the row
    "ready",  # it answered: let traffic in
    "restarted",  # somebody restarted its container: no traffic until it answers again
    "silent",  # it stopped answering: keep traffic away
    "answering",  # it answers again
    "exited",  # its container ended by itself
    "gone",  # its container was taken away
    "no_address",  # its container runs where nothing can reach it
    "timeout",  # it never answered in time
    "restart_silent",  # it has not answered for too long
    "gpu_lost",  # its GPU is gone: out of traffic, and another takes its place
    "retry",  # the back-off is over
    "retire",  # take it out of traffic and let it end
    "call_back",  # it is needed again and has not been asked to end: back into traffic
    "terminate",  # ask its container to end
    "kill",  # it did not end when asked
    "remove",  # its container ended and was read to its end
    "finish",  # nothing of it is left
]


@dataclass(frozen=True)
class Act:
    """One step for one replica."""

    verb: Verb
    replica: ReplicaFacts
    container: Observed | None = None


Action = Add | Act | Drop | Forget | Settle | StopRollout


@dataclass
class Plan:
    """Actions in order, and when to look again when nothing calls earlier."""

    actions: list[Action] = field(default_factory=list)
    again: datetime | None = None

    def look_at(self, when: datetime) -> None:
        self.again = when if self.again is None else min(self.again, when)


@dataclass(frozen=True)
class Limits:
    """How long things may take.

    drain: for open requests of a replica that has to go now. shrink: the same where
    only fewer are needed, and nobody waits for its end. fetch: for an image to come.
    """

    grace: timedelta
    drain: timedelta
    shrink: timedelta
    fetch: timedelta = timedelta(hours=6)
