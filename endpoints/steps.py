"""The events of a replica as the timeline a person reads.

An event opens a row, closes one that an earlier event opened, or is a row by itself.
A row that is open is going on now; what usually still comes is added, dimmed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol


class Reason(StrEnum):
    # about the endpoint
    CREATED = "Created"
    CHANGED = "Changed"
    REVISED = "RevisionMade"
    ROLLED_BACK = "RolledBack"
    TRIED_AGAIN = "TriedAgain"
    ROLLED_OUT = "RolledOut"
    ROLLOUT_STOPPED = "RolloutStopped"
    OPENED = "OpenedToPublic"
    CLOSED = "ClosedToPublic"
    SHARED = "Shared"
    UNSHARED = "ShareRevoked"
    SCALED = "Scaled"
    RESIZED = "Resized"
    WOKEN = "Woken"
    SLEPT = "ScaledToZero"
    WARMED = "KeptWarm"
    COOLED = "NotKeptWarm"
    SCHEDULED = "ScheduleChanged"
    PAUSED = "Paused"
    RESUMED = "Resumed"
    RESTARTED = "RestartRequested"
    DELETING = "DeleteRequested"
    # about one replica
    WAITING = "WaitingForHardware"
    ASSIGNED = "HardwareAssigned"
    PULLING = "PullingImage"
    PULLED = "ImagePulled"
    BUILDING = "BuildingImage"
    BUILT = "ImageBuilt"
    PRESENT = "ImageAlreadyThere"
    IMAGE_FAILED = "ImageFailed"
    VOLUME = "VolumeAttached"
    CREATING = "StartingContainer"
    STARTED = "ContainerStarted"
    START_FAILED = "ContainerNotStarted"
    PROBING_PORT = "WaitingForPort"
    PROBING_HEALTH = "WaitingForHealthCheck"
    PORT_ANSWERED = "PortAnswered"
    HEALTH_PASSED = "HealthCheckPassed"
    START_TIMEOUT = "StartTimedOut"
    RUNNING = "ReplicaRunning"
    SILENT = "NotAnswering"
    ANSWERING = "AnsweringAgain"
    EXITED = "ContainerExited"
    ENDED = "ContainerEnded"
    GONE = "ContainerGone"
    GPU_LOST = "GpuLost"
    BACKING_OFF = "WaitingToRestart"
    RETRYING = "Restarting"
    FAILED = "ReplicaFailed"
    IDLE = "IdleStopping"
    DRAINING = "FinishingRequests"
    DRAINED = "RequestsFinished"
    CALLED_BACK = "ServingAgain"
    STOPPING = "StoppingContainer"
    STOPPED_CONTAINER = "ContainerStopped"
    STOPPED = "ReplicaStopped"


Group = Literal[0, 1, 2, 3]  # index into STEP_NAMES: the step track on the page
STEP_NAMES = ("Hardware", "Image", "Container", "Running")


@dataclass(frozen=True)
class Words:
    """How a reason reads. `{port}` and the like are filled from the event's data.

    opens: the row is going on until a later event closes it.
    closes: reasons whose open row this one finishes, taking over its words.
    """

    title: str
    group: Group | None = None
    opens: bool = False
    closes: tuple[Reason, ...] = ()
    kind: Literal["", "wait", "fail", "ready", "stop"] = ""
    warning: bool = False


R = Reason
PROBES = (R.PROBING_PORT, R.PROBING_HEALTH)
REASONS: dict[Reason, Words] = {
    R.CREATED: Words("{how} from {template}"),
    R.CHANGED: Words("Settings changed"),
    R.REVISED: Words("Revision {revision}"),
    R.ROLLED_BACK: Words("Back to revision {revision}"),
    R.TRIED_AGAIN: Words("Revision {revision} is tried again"),
    R.ROLLED_OUT: Words("Revision {revision} is in use"),
    R.ROLLOUT_STOPPED: Words(
        "Revision {revision} did not become ready", kind="fail", warning=True
    ),
    R.OPENED: Words("Opened to the public"),
    R.CLOSED: Words("Made private"),
    R.SHARED: Words("Shared by a link"),
    R.UNSHARED: Words("Share link revoked"),
    R.SCALED: Words("Scale changed"),
    R.RESIZED: Words("{old} → {new}"),
    R.WOKEN: Words("Woken"),
    R.SLEPT: Words("Scaled to zero"),
    R.WARMED: Words("Kept warm"),
    R.COOLED: Words("No longer kept warm"),
    R.SCHEDULED: Words("Schedule changed"),
    R.PAUSED: Words("Paused"),
    R.RESUMED: Words("Resumed"),
    R.RESTARTED: Words("Restart asked for"),
    R.DELETING: Words("Deleted"),
    R.WAITING: Words("Waiting for hardware", 0, opens=True, kind="wait"),
    R.ASSIGNED: Words("Hardware assigned", 0),
    R.PULLING: Words("Pulling image", 1, opens=True),
    R.PULLED: Words("Image pulled", 1, closes=(R.PULLING,)),
    R.BUILDING: Words("Building image", 1, opens=True),
    R.BUILT: Words("Image built", 1, closes=(R.BUILDING,)),
    R.PRESENT: Words("Image already on {node}", 1, closes=(R.PULLING, R.BUILDING)),
    R.IMAGE_FAILED: Words(
        "Image could not be {verb}",
        1,
        closes=(R.PULLING, R.BUILDING),
        kind="fail",
        warning=True,
    ),
    R.VOLUME: Words("Volume attached", 2),
    R.CREATING: Words("Starting container", 2, opens=True),
    R.STARTED: Words("Container started", 2, closes=(R.CREATING,)),
    R.START_FAILED: Words(
        "Container could not start", 2, closes=(R.CREATING,), kind="fail", warning=True
    ),
    R.PROBING_PORT: Words("Waiting for port {port} to answer", 2, opens=True),
    R.PROBING_HEALTH: Words("Waiting for {path} to answer", 2, opens=True),
    R.PORT_ANSWERED: Words("Port {port} answered", 2, closes=PROBES),
    R.HEALTH_PASSED: Words("Health check passed", 2, closes=PROBES),
    R.START_TIMEOUT: Words(
        "{what} did not answer", 2, closes=PROBES, kind="fail", warning=True
    ),
    R.RUNNING: Words("Replica is running", 3, kind="ready"),
    R.SILENT: Words(
        "Replica is not answering", 3, opens=True, kind="wait", warning=True
    ),
    R.ANSWERING: Words("Replica is answering again", 3, closes=(R.SILENT,)),
    R.EXITED: Words(
        "Container exited with code {code}",
        3,
        closes=(*PROBES, R.SILENT),
        kind="fail",
        warning=True,
    ),
    R.ENDED: Words(
        "Container exited with code {code}",
        3,
        closes=(*PROBES, R.SILENT),
        kind="wait",
    ),
    R.GONE: Words(
        "Container is gone", 3, closes=(*PROBES, R.SILENT), kind="fail", warning=True
    ),
    R.GPU_LOST: Words(
        "GPU lost", 0, closes=(*PROBES, R.SILENT), kind="fail", warning=True
    ),
    R.BACKING_OFF: Words("Waiting to restart", 2, opens=True, kind="wait"),
    R.RETRYING: Words("Restarting", 2, closes=(R.BACKING_OFF,)),
    # The step that failed is that of the line before.
    R.FAILED: Words("Replica failed", kind="fail", warning=True),
    R.IDLE: Words("Idle, stopping", 3, kind="stop"),
    R.DRAINING: Words("Finishing open requests", 3, opens=True, kind="stop"),
    R.DRAINED: Words("Open requests finished", 3, closes=(R.DRAINING,), kind="stop"),
    R.CALLED_BACK: Words("Serving again", 3, closes=(R.DRAINING,), kind="ready"),
    R.STOPPING: Words("Stopping container", 3, opens=True, kind="stop"),
    R.STOPPED_CONTAINER: Words(
        "Container stopped", 3, closes=(R.STOPPING,), kind="stop"
    ),
    R.STOPPED: Words("Replica stopped", 3, kind="stop"),
}


class EventLike(Protocol):
    """What a row is made from; `endpoints.models.Event` fits."""

    @property
    def reason(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...
    @property
    def at(self) -> datetime: ...


@dataclass
class Row:
    """One row of the timeline.

    phase: "done", "now" or "next". took: seconds until it closed or the next row
    began, None while it goes on or is still to come.
    """

    reason: Reason
    title: str
    phase: Literal["done", "now", "next"]
    kind: str = ""
    detail: str = ""
    group: Group | None = None
    at: datetime | None = None
    took: float | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        return self.phase == "now"


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""


def title(reason: str, data: Mapping[str, Any]) -> str:
    """The line's title in the interface's words; an unknown reason reads as itself."""
    try:
        words = REASONS[Reason(reason)]
    except ValueError:
        return reason
    return words.title.format_map(_Blank(data)).strip()


def rows(
    events: Iterable[EventLike], *, coming: Sequence[tuple[Reason, Mapping[str, Any]]]
) -> list[Row]:
    """A replica's timeline, oldest first.

    events: those of one replica, in order. coming: what still lies ahead, as
    (reason, data), see `ahead`.
    """
    told: list[Row] = []
    for event in events:
        try:
            reason = Reason(event.reason)
        except ValueError:
            continue
        words = REASONS[reason]
        closed = _last_open(told, words.closes)
        if closed is not None:
            closed.took = (event.at - (closed.at or event.at)).total_seconds()
            closed.phase, closed.reason, closed.kind = "done", reason, words.kind
            closed.data = {**closed.data, **event.data}
            closed.title = title(reason, closed.data)
            closed.detail = event.message or closed.detail
            continue
        _end_last(told, event.at)
        told.append(
            Row(
                reason=reason,
                title=title(reason, event.data),
                phase="now" if words.opens else "done",
                kind=words.kind,
                detail=event.message,
                group=words.group,
                at=event.at,
                data=event.data,
            )
        )
    told.extend(
        Row(reason=r, title=title(r, data), phase="next", group=REASONS[r].group)
        for r, data in coming
    )
    return told


def _last_open(told: list[Row], closes: tuple[Reason, ...]) -> Row | None:
    for row in reversed(told):
        if row.open and row.reason in closes:
            return row
    return None


def _end_last(told: list[Row], at: datetime) -> None:
    """A new row began: whatever was open or unmeasured before it is over."""
    for row in told:
        if row.open:
            row.phase = "done"
        if row.took is None and row.at is not None:
            row.took = (at - row.at).total_seconds()


def ahead(
    state: str, *, port: int, path: str, build: bool
) -> list[tuple[Reason, Mapping[str, Any]]]:
    """What a replica in `state` still has before it, in order, ending with running."""
    fetch = R.BUILDING if build else R.PULLING
    probe = R.PROBING_HEALTH if path else R.PROBING_PORT
    data = {"port": port, "path": path}
    road = [R.ASSIGNED, fetch, R.CREATING, probe, R.RUNNING]
    start = {"waiting": 0, "assigned": 1, "pulling": 2, "starting": 4}.get(state)
    return [] if start is None else [(r, data) for r in road[start:]]
