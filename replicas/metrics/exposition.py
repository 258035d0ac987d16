"""What was seen last, as Prometheus reads it. docs/metrics.md lists the names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from endpoints.ingress.base import BOUNDS
from replicas.metrics.snapshot import (
    START_BOUNDS,
    EndpointNow,
    ReplicaNow,
    Snapshot,
    Starts,
)

CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
_ENDPOINT = ("endpoint",)
_REPLICA = ("endpoint", "replica")
_GPU = ("endpoint", "replica", "gpu")


def render(snapshot: Snapshot | None) -> bytes:
    """The text format, version 0.0.4. None: the collector has not been heard of."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Shown(snapshot))
    return generate_latest(registry)


class _Shown(Collector):
    def __init__(self, snapshot: Snapshot | None) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        seen = self._snapshot
        up = "Whether the collector looked within the last minute."
        yield GaugeMetricFamily("alight_collector_up", up, value=int(seen is not None))
        if seen is not None:
            when = "When the collector looked last."
            yield GaugeMetricFamily(
                "alight_collector_timestamp_seconds", when, value=seen.at
            )
            yield from _requests(seen.endpoints.items())
            yield from _answers(seen.endpoints.items())
            yield _starts(seen.endpoints.items())
            yield from _replicas(seen.replicas)
            yield from _gpus(seen.replicas)


Endpoints = Iterable[tuple[str, EndpointNow]]


def _requests(endpoints: Endpoints) -> Iterator[Metric]:
    begun = CounterMetricFamily(
        "alight_endpoint_requests", "Requests that began.", labels=_ENDPOINT
    )
    held = CounterMetricFamily(
        "alight_endpoint_held_requests",
        "Requests that waited for a replica to start.",
        labels=_ENDPOINT,
    )
    open_now = GaugeMetricFamily(
        "alight_endpoint_requests_in_flight",
        "Requests that are open now, those in line included.",
        labels=_ENDPOINT,
    )
    queued = GaugeMetricFamily(
        "alight_endpoint_requests_queued",
        "Requests in line for a place at a replica.",
        labels=_ENDPOINT,
    )
    for name, now in endpoints:
        begun.add_metric([name], now.requests)
        held.add_metric([name], now.held)
        open_now.add_metric([name], now.in_flight)
        queued.add_metric([name], now.queued)
    return iter((begun, held, open_now, queued))


def _answers(endpoints: Endpoints) -> Iterator[Metric]:
    classes = CounterMetricFamily(
        "alight_endpoint_responses",
        "Answers by class of status, those of the ingress itself included.",
        labels=("endpoint", "class"),
    )
    times = HistogramMetricFamily(
        "alight_endpoint_response_seconds",
        "Replicas' answers by the time from the request to their first byte.",
        labels=_ENDPOINT,
    )
    for name, now in endpoints:
        for kind, count in zip(CLASSES, now.classes, strict=False):
            classes.add_metric([name, kind], count)
        if now.buckets:
            # The ingress counts, and does not add up.
            times.add_metric([name], _cumulative(BOUNDS, now.buckets), None)
    return iter((classes, times))


def _starts(endpoints: Endpoints) -> Metric:
    starts = HistogramMetricFamily(
        "alight_endpoint_start_seconds",
        "Replicas that became ready, by the time it took. Cold: no other was ready.",
        labels=("endpoint", "start"),
    )
    for name, now in endpoints:
        kinds: tuple[tuple[str, Starts | None], ...] = (
            ("cold", now.cold),
            ("warm", now.warm),
        )
        for kind, found in kinds:
            if found:
                buckets = _cumulative(START_BOUNDS, found.buckets)
                starts.add_metric([name, kind], buckets, found.total)
    return starts


def _replicas(replicas: Sequence[ReplicaNow]) -> Iterator[Metric]:
    states = GaugeMetricFamily(
        "alight_endpoint_replicas", "Replicas by state.", labels=("endpoint", "state")
    )
    counted = Counter((one.endpoint, one.state) for one in replicas)
    for labels, count in sorted(counted.items()):
        states.add_metric(labels, count)
    yield states
    cpu = CounterMetricFamily(
        "alight_replica_cpu_seconds",
        "Core-seconds used since its container started.",
        labels=_REPLICA,
    )
    memory = GaugeMetricFamily(
        "alight_replica_memory_bytes",
        "Memory in use, without page cache.",
        labels=_REPLICA,
    )
    limit = GaugeMetricFamily(
        "alight_replica_memory_limit_bytes", "Memory it may use.", labels=_REPLICA
    )
    received = CounterMetricFamily(
        "alight_replica_network_receive_bytes",
        "Bytes received since its container started.",
        labels=_REPLICA,
    )
    sent = CounterMetricFamily(
        "alight_replica_network_transmit_bytes",
        "Bytes sent since its container started.",
        labels=_REPLICA,
    )
    for one in replicas:
        if one.at:
            labels = (one.endpoint, str(one.number))
            cpu.add_metric(labels, one.cpu)
            memory.add_metric(labels, one.memory)
            limit.add_metric(labels, one.limit)
            received.add_metric(labels, one.received)
            sent.add_metric(labels, one.sent)
    yield from (cpu, memory, limit, received, sent)


def _gpus(replicas: Sequence[ReplicaNow]) -> Iterator[Metric]:
    busy = GaugeMetricFamily(
        "alight_replica_gpu_busy_ratio",
        "Share of the last moment the GPU worked, 0 to 1.",
        labels=_GPU,
    )
    memory = GaugeMetricFamily(
        "alight_replica_gpu_memory_bytes", "GPU memory in use.", labels=_GPU
    )
    limit = GaugeMetricFamily(
        "alight_replica_gpu_memory_limit_bytes", "Memory of the GPU.", labels=_GPU
    )
    for one in replicas:
        for index, (share, used, total) in enumerate(one.gpus):
            labels = (one.endpoint, str(one.number), str(index))
            if share is not None:
                busy.add_metric(labels, share)
            memory.add_metric(labels, used)
            limit.add_metric(labels, total)
    return iter((busy, memory, limit))


def _cumulative(
    bounds: Sequence[float], counts: Sequence[int]
) -> list[tuple[str, float]]:
    """Prometheus's buckets: each with all that was quicker."""
    rows, total = [], 0
    for bound, count in zip((*bounds, float("inf")), counts, strict=True):
        total += count
        rows.append(("+Inf" if bound == float("inf") else str(bound), float(total)))
    return rows
