"""What each chart of an endpoint shows: which values, and in which words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from replicas.metrics.point import Point, Start
from replicas.page import plot
from replicas.page.spans import Spans


@dataclass(frozen=True)
class More:
    """A line beside the first one. key, unit: around its newest value. always: drawn
    also where it is 0."""

    kind: str
    say: str
    key: str
    values: Sequence[float | None]
    unit: str = ""
    always: bool = False


@dataclass(frozen=True)
class Plan:
    """A chart before it is drawn. unit: after the newest value. say: "#" for the value
    under the pointer. top: of the scale, where that is known."""

    key: str
    title: str
    what: str
    say: str
    unit: str
    values: Sequence[float | None]
    more: tuple[More, ...] = ()
    none: str = "Not measured"
    help: str = ""
    top: float = 0
    whole: bool = False
    starts: Sequence[Start] = field(default_factory=tuple)


def plans(spans: Spans) -> tuple[list[Plan], list[Plan]]:
    """Those that are seen at once, and those that are unfolded."""
    hardware, rest = _cpu_and_memory(spans), [_network(spans)]
    if any(point and point.gpus for point in spans.points):
        hardware, rest = _gpu_and_memory(spans), [*hardware, *rest]
    return [
        _requests(spans),
        _times(spans),
        *hardware,
        _open(spans),
        _ready(spans),
    ], rest


def _requests(spans: Spans) -> Plan:
    per, rate = spans.range.per, spans.range.rate
    return Plan(
        key="requests",
        title="Requests",
        what=f"Requests {rate}",
        say=f"# requests {rate}",
        unit=rate,
        values=spans.column(lambda p: p.rate * per),
        more=(
            More(
                "line-2",
                "# refused (4xx)",
                "refused (4xx)",
                spans.column(lambda p: p.rates()[3] * per),
            ),
            More(
                "line-3",
                "# failed (5xx)",
                "failed (5xx)",
                spans.column(lambda p: p.rates()[4] * per),
            ),
        ),
        starts=[
            start
            for point in spans.points
            for start in (point.starts if point else ())
            if start.cold
        ],
    )


def _times(spans: Spans) -> Plan:
    typical, slow = spans.column(lambda p: p.p50), spans.column(lambda p: p.p95)
    unit = "s"
    # So that the scale ends below 1,000 of them.
    if max((v for v in slow if v is not None), default=1) < 0.74:
        unit = "ms"
        typical, slow = _times_1000(typical), _times_1000(slow)
    long = "milliseconds" if unit == "ms" else "seconds"
    return Plan(
        key="times",
        title="Response time",
        what=f"Response time in {long}: half of requests, and 95 percent",
        say=f"# {unit}",
        unit=unit,
        values=typical,
        more=(More("line-2", f"p95 # {unit}", "p95", slow, unit, always=True),),
        none="No answers",
        help=(
            "Half of all requests are faster than the solid line. 95 in 100 are faster "
            "than the dashed one, p95. Counted until the answer begins, waiting "
            "included."
        ),
    )


def _times_1000(values: Iterable[float | None]) -> list[float | None]:
    return [None if value is None else value * 1000 for value in values]


def _open(spans: Spans) -> Plan:
    return Plan(
        key="open",
        title="In flight",
        what="Most requests in flight at once",
        say="# at once",
        unit="at once",
        values=spans.column(lambda p: p.in_flight.most),
        more=(
            More(
                "line-2",
                "# of them in line",
                "in line",
                spans.column(lambda p: p.queued.most),
            ),
        ),
        whole=True,
        help=(
            "The most requests that were open at the same moment. Those of the dashed "
            "line waited for a place at a replica."
        ),
    )


def _ready(spans: Spans) -> Plan:
    return Plan(
        key="ready",
        title="Replicas",
        what="Ready replicas",
        say="# ready",
        unit="ready",
        values=spans.column(lambda p: p.ready.most),
        whole=True,
    )


# As tiers count it: "30 GB" is 30 × 1024 MB.
_GB = 2.0**30


def _gpu_and_memory(spans: Spans) -> list[Plan]:
    used = spans.column(lambda p: None if p.gpu is None else p.gpu * 100)
    memory = spans.column(
        lambda p: None if p.gpu_memory is None else p.gpu_memory / _GB
    )
    limits = spans.column(lambda p: (p.gpu_memory_limit or 0) / _GB)
    return [
        Plan(
            key="gpu",
            title="GPU use",
            what="GPU use in percent",
            say="# %",
            unit="%",
            values=used,
            top=100,
            none="No replica",
        ),
        _memory("gpu-memory", "GPU memory", memory, limits),
    ]


def _cpu_and_memory(spans: Spans) -> list[Plan]:
    cores = spans.column(lambda p: p.cores if p.uses else None)
    allowed = _newest(spans.column(lambda p: _at_once(p, p.cores_limit)))
    memory = spans.column(lambda p: p.memory / _GB if p.uses else None)
    limits = spans.column(lambda p: _at_once(p, p.memory_limit) / _GB)
    of = f"of {plot.shown(allowed)} cores" if allowed else "cores"
    return [
        Plan(
            key="cpu",
            title="CPU",
            what="CPU in cores",
            say="# cores",
            unit=of,
            values=cores,
            none="No replica",
        ),
        _memory("memory", "Memory", memory, limits),
    ]


def _memory(
    key: str,
    title: str,
    values: Sequence[float | None],
    limits: Sequence[float | None],
) -> Plan:
    """In GB; in MB what stays small. `limits` in GB, 0 where there is none."""
    unit, factor = "GB", 1
    most = max((v for v in limits if v), default=0)
    if max([most, *(v for v in values if v is not None)]) < 0.95:
        unit, factor = "MB", 1024
    limit = _newest(limits) * factor
    return Plan(
        key=key,
        title=title,
        what=f"{title} in {'gigabytes' if unit == 'GB' else 'megabytes'}",
        say=f"# {unit}",
        unit=f"of {plot.shown(limit)} {unit}" if limit else unit,
        values=[None if v is None else v * factor for v in values],
        top=most * factor,
        none="No replica",
    )


def _at_once(point: Point, limit: float) -> float:
    """A mean over the span, for the part of it in which there were replicas."""
    ran = max((use.seconds for use in point.uses.values()), default=0)
    return limit * point.seconds / ran if ran else 0


def _newest(limits: Sequence[float | None]) -> float:
    """The newest that is known; 0 without any."""
    return next((v for v in reversed(limits) if v), 0)


def _network(spans: Spans) -> Plan:
    sent = spans.column(lambda p: p.sent if p.uses else None)
    received = spans.column(lambda p: p.received if p.uses else None)
    highest = max((v for v in (*sent, *received) if v is not None), default=0)
    unit, size = next(
        ((name, n) for name, n in (("MB/s", 1e6), ("KB/s", 1e3)) if highest >= n),
        ("B/s", 1.0),
    )
    sent, received = (
        [None if v is None else v / size for v in values] for values in (sent, received)
    )
    return Plan(
        key="network",
        title="Network",
        what="Network: sent by the replicas, and received",
        say=f"# {unit} sent",
        unit=f"{unit} sent",
        values=sent,
        more=(
            More(
                "line-2",
                f"# {unit} received",
                "received",
                received,
                unit,
                always=True,
            ),
        ),
        none="No replica",
    )
