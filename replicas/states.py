"""A replica's states, in words, and which moves between them make sense."""

from __future__ import annotations

from enum import StrEnum


class ReplicaState(StrEnum):
    """Values are the bubble's data-state; `label` is the word under it."""

    WAITING = "waiting"
    ASSIGNED = "assigned"
    PULLING = "pulling"
    STARTING = "starting"
    READY = "ready"
    UNHEALTHY = "unhealthy"
    FAILED = "failed"
    STOPPING = "stopping"
    STOPPED = "stopped"

    @property
    def label(self) -> str:
        return LABELS[self]

    @property
    def spoken(self) -> str:
        return SPOKEN[self]


LABELS = {
    ReplicaState.WAITING: "Waiting",
    ReplicaState.ASSIGNED: "Assigned",
    ReplicaState.PULLING: "Pulling",
    ReplicaState.STARTING: "Starting",
    ReplicaState.READY: "Ready",
    ReplicaState.UNHEALTHY: "Not answering",
    ReplicaState.FAILED: "Failed",
    ReplicaState.STOPPING: "Stopping",
    ReplicaState.STOPPED: "Stopped",
}
SPOKEN = {
    ReplicaState.WAITING: "waiting for hardware",
    ReplicaState.ASSIGNED: "hardware assigned",
    ReplicaState.PULLING: "pulling the image",
    ReplicaState.STARTING: "starting",
    ReplicaState.READY: "ready",
    ReplicaState.UNHEALTHY: "running but not answering",
    ReplicaState.FAILED: "failed",
    ReplicaState.STOPPING: "stopping",
    ReplicaState.STOPPED: "stopped",
}

# From each state, the states it may move to. Stopping is always possible while alive.
MOVES: dict[ReplicaState, frozenset[ReplicaState]] = {
    ReplicaState.WAITING: frozenset(
        {ReplicaState.ASSIGNED, ReplicaState.STOPPING, ReplicaState.STOPPED}
    ),
    ReplicaState.ASSIGNED: frozenset(
        {
            ReplicaState.PULLING,
            ReplicaState.STARTING,
            ReplicaState.FAILED,
            ReplicaState.STOPPING,
        }
    ),
    ReplicaState.PULLING: frozenset(
        {ReplicaState.STARTING, ReplicaState.FAILED, ReplicaState.STOPPING}
    ),
    ReplicaState.STARTING: frozenset(
        {ReplicaState.READY, ReplicaState.FAILED, ReplicaState.STOPPING}
    ),
    ReplicaState.READY: frozenset(
        {ReplicaState.UNHEALTHY, ReplicaState.FAILED, ReplicaState.STOPPING}
    ),
    ReplicaState.UNHEALTHY: frozenset(
        {ReplicaState.READY, ReplicaState.FAILED, ReplicaState.STOPPING}
    ),
    ReplicaState.FAILED: frozenset({ReplicaState.ASSIGNED, ReplicaState.STOPPING}),
    # Back to ready while only its last requests were waited for.
    ReplicaState.STOPPING: frozenset({ReplicaState.READY, ReplicaState.STOPPED}),
    ReplicaState.STOPPED: frozenset(),
}
