"""What the planner is told: the wish and the world of one endpoint, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from replicas.engine.base import Observed
from replicas.states import ReplicaState


@dataclass(frozen=True)
class WishFacts:
    """What the endpoint should be. Times in seconds.

    revision: number of the one that replicas should run now. settled: it once ran in
    full. fallback: number of the one that serves if it cannot become ready. minimum:
    how many run without traffic.
    """

    wanted: int
    revision: int
    deleting: bool
    start_timeout: int
    settled: bool = True
    paused: bool = False
    fallback: int | None = None
    minimum: int = 0


@dataclass(frozen=True)
class ReplicaFacts:
    """A living replica's row, as far as the plan depends on it."""

    id: int
    number: int
    attempt: int
    revision: int
    state: ReplicaState
    since: datetime
    retire: bool = False
    # How many older replicas would have to go, so that this one gets their hardware;
    # 0: none, or it would not help.
    short: int = 0
    gpu_lost: bool = False  # it holds a GPU that is not there any more
    address: str = ""  # where the row says that it is; "" before it is known
    started_at: datetime | None = None
    answered_at: datetime | None = None
    ready_at: datetime | None = None
    silent_since: datetime | None = None
    end_asked_at: datetime | None = None
    retry_at: datetime | None = None
    failures: int = 0
    trouble: str = ""  # a word for the newest failure


# A container belongs to (replica id, attempt).
Owner = tuple[int, int]


@dataclass(frozen=True)
class Snapshot:
    """One endpoint at one moment.

    containers: every container of this endpoint by whose it is. images: numbers of
    the revisions whose image the node has. logs_done: attempts whose output was read
    to its end. open_requests: by replica id, for those being stopped, and for all when
    there are more than are wanted.
    """

    wish: WishFacts
    replicas: tuple[ReplicaFacts, ...]
    containers: Mapping[Owner, Observed] = field(default_factory=dict)
    images: frozenset[int] = frozenset()
    logs_done: frozenset[Owner] = frozenset()
    open_requests: Mapping[int, int] = field(default_factory=dict)
