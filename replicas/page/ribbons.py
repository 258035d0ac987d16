"""The last hour, one line per replica, from the events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from endpoints.models import Event
from endpoints.steps import Reason
from replicas.page.words import elapsed

SPAN = timedelta(hours=1)
WIDTH = 1000  # of the picture, in its own units
_WORDS = {
    "wait": "waiting",
    "up": "starting",
    "ready": "ready",
    "fail": "failed",
}
_KINDS: dict[str, str] = {
    Reason.WAITING: "wait",
    Reason.BACKING_OFF: "wait",
    Reason.SILENT: "wait",
    Reason.ASSIGNED: "up",
    Reason.RETRYING: "up",
    Reason.CREATING: "up",
    Reason.RUNNING: "ready",
    Reason.ANSWERING: "ready",
    Reason.CALLED_BACK: "ready",
    Reason.IMAGE_FAILED: "fail",
    Reason.START_FAILED: "fail",
    Reason.START_TIMEOUT: "fail",
    Reason.EXITED: "fail",
    Reason.GONE: "fail",
    Reason.GPU_LOST: "fail",
    Reason.FAILED: "fail",
    # Going out of service is drawn as being off, as is having ended.
    Reason.ENDED: "",
    Reason.DRAINING: "",
    Reason.STOPPING: "",
    Reason.STOPPED: "",
}
REASONS = tuple(_KINDS)


@dataclass(frozen=True)
class Segment:
    kind: str
    x: int
    width: int


@dataclass(frozen=True)
class Ribbon:
    """number: of the replicas it tells about. spoken: the picture's label."""

    number: int
    segments: tuple[Segment, ...]
    spoken: str

    @property
    def name(self) -> str:
        return f"Replica {self.number}"


def ribbons(
    numbers: Mapping[int, int], events: Iterable[Event], now: datetime
) -> list[Ribbon]:
    """numbers: replica number by replica id. events: of those replicas, oldest first.

    The picture moves once a minute, so that drawing it again is seldom news.
    """
    end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    begin = end - SPAN
    spans: dict[int, list[tuple[str, datetime, datetime]]] = {}
    open_spans: dict[int, tuple[str, datetime]] = {}
    for event in events:
        replica_id = event.replica_id
        if replica_id is None or replica_id not in numbers:
            continue
        if event.reason not in _KINDS:
            continue
        if replica_id in open_spans:
            kind, at = open_spans.pop(replica_id)
            spans.setdefault(numbers[replica_id], []).append((kind, at, event.at))
        if kind := _KINDS[event.reason]:
            open_spans[replica_id] = (kind, event.at)
    for replica_id, (kind, at) in open_spans.items():
        spans.setdefault(numbers[replica_id], []).append((kind, at, end))
    drawn = (
        _ribbon(number, found, begin, end) for number, found in sorted(spans.items())
    )
    return [ribbon for ribbon in drawn if ribbon.segments]


def _ribbon(
    number: int,
    spans: list[tuple[str, datetime, datetime]],
    begin: datetime,
    end: datetime,
) -> Ribbon:
    segments: list[Segment] = []
    lasted: dict[str, float] = {}
    for kind, start, stop in spans:
        start, stop = max(start, begin), min(stop, end)
        if stop <= start:
            continue
        lasted[kind] = lasted.get(kind, 0) + (stop - start).total_seconds()
        x = round((start - begin) / SPAN * WIDTH)
        width = max(2, round((stop - start) / SPAN * WIDTH))
        segments.append(Segment(kind, x, width))
    told = ", ".join(f"{_WORDS[k]} for {elapsed(s, 60)}" for k, s in lasted.items())
    return Ribbon(number, tuple(segments), f"Replica {number}, last hour: {told}")
