"""One span of time of one endpoint, in sums that can be added up. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from endpoints.ingress.base import BOUNDS

T = TypeVar("T")

_NO_CLASSES = (0, 0, 0, 0, 0)
_NO_BUCKETS = (0,) * (len(BOUNDS) + 1)


@dataclass(frozen=True)
class Level:
    """Something that goes up and down: its sum over time, and the most it was."""

    total: float = 0.0
    seconds: float = 0.0
    most: float = 0.0

    @property
    def mean(self) -> float:
        return self.total / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Use:
    """What a replica's container used: core-seconds, bytes of memory, bytes received
    and sent. cores and limit: what it may use, 0 where that is not limited."""

    seconds: float = 0.0
    busy: float = 0.0
    cores: float = 0.0
    memory: Level = Level()
    limit: int = 0
    received: int = 0
    sent: int = 0

    def to_json(self) -> list[float]:
        return [
            round(self.seconds, 3),
            round(self.busy, 3),
            self.cores,
            round(self.memory.total),
            self.memory.most,
            self.limit,
            self.received,
            self.sent,
        ]

    @classmethod
    def from_json(cls, row: list[Any]) -> Use:
        seconds, busy, cores, total, most, limit, received, sent = row
        level = Level(total, seconds, most)
        return cls(seconds, busy, cores, level, limit, received, sent)


@dataclass(frozen=True)
class GpuUse:
    """What a replica's GPUs did together: GPU-seconds in all and busy, byte-seconds of
    memory, bytes they have."""

    seconds: float = 0.0
    busy: float = 0.0
    memory: float = 0.0
    limit: int = 0

    def __add__(self, other: GpuUse) -> GpuUse:
        return GpuUse(
            self.seconds + other.seconds,
            self.busy + other.busy,
            self.memory + other.memory,
            other.limit,
        )

    def to_json(self) -> list[float]:
        numbers = (self.seconds, self.busy)
        return [*(round(one, 2) for one in numbers), round(self.memory), self.limit]


@dataclass(frozen=True)
class Start:
    """A replica became ready. at: Unix time. seconds: from the wish to the first
    answer. cold: no other replica was ready, so requests had to wait."""

    at: int
    seconds: float
    number: int
    cold: bool


@dataclass(frozen=True)
class Point:
    """See `replicas.metrics` for the fields."""

    seconds: float = 0.0
    requests: int = 0
    classes: tuple[int, ...] = _NO_CLASSES
    buckets: tuple[int, ...] = _NO_BUCKETS
    held: int = 0
    in_flight: Level = Level()
    queued: Level = Level()
    ready: Level = Level()
    uses: Mapping[int, Use] = field(default_factory=dict)
    gpus: Mapping[int, GpuUse] = field(default_factory=dict)
    starts: tuple[Start, ...] = ()
    ended: bool = False

    @property
    def silent(self) -> bool:
        """There is nothing to tell."""
        numbers = (self.requests, *self.classes, self.held)
        levels = (self.in_flight.most, self.queued.most, self.ready.most)
        return not (any(numbers) or any(levels) or self.uses or self.starts)

    # -- what people ask -------------------------------------------------------------

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds if self.seconds else 0.0

    def rates(self) -> tuple[float, ...]:
        """Answers per second by class: 1xx, 2xx, 3xx, 4xx, 5xx."""
        return tuple(n / self.seconds if self.seconds else 0.0 for n in self.classes)

    @property
    def p50(self) -> float | None:
        return quantile(0.5, self.buckets)

    @property
    def p95(self) -> float | None:
        return quantile(0.95, self.buckets)

    @property
    def cores(self) -> float:
        """Cores in use, all replicas together."""
        return self._mean(use.busy for use in self.uses.values())

    @property
    def cores_limit(self) -> float:
        return self._mean(use.cores * use.seconds for use in self.uses.values())

    @property
    def memory(self) -> float:
        """Bytes in use, all replicas together."""
        return self._mean(use.memory.total for use in self.uses.values())

    @property
    def memory_limit(self) -> float:
        return self._mean(use.limit * use.seconds for use in self.uses.values())

    @property
    def received(self) -> float:
        """Bytes per second that came in to the containers."""
        return self._mean(use.received for use in self.uses.values())

    @property
    def sent(self) -> float:
        return self._mean(use.sent for use in self.uses.values())

    @property
    def gpu(self) -> float | None:
        """Share of the time its GPUs were busy, 0 to 1."""
        seconds = sum(one.seconds for one in self.gpus.values())
        busy = sum(one.busy for one in self.gpus.values())
        return busy / seconds if seconds else None

    @property
    def gpu_memory(self) -> float | None:
        """Bytes in use on its GPUs together."""
        if not self.gpus:
            return None
        return self._mean(one.memory for one in self.gpus.values())

    @property
    def gpu_memory_limit(self) -> float | None:
        return sum(one.limit for one in self.gpus.values()) if self.gpus else None

    def _mean(self, sums: Iterable[float]) -> float:
        return sum(sums) / self.seconds if self.seconds else 0.0

    # -- as JSON -----------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "s": round(self.seconds, 2),
            "n": self.requests,
            "c": list(self.classes) if any(self.classes) else None,
            "b": list(self.buckets) if any(self.buckets) else None,
            "h": self.held,
            "f": _pair(self.in_flight),
            "q": _pair(self.queued),
            "r": _pair(self.ready),
            "u": {str(number): use.to_json() for number, use in self.uses.items()},
            "g": {str(number): use.to_json() for number, use in self.gpus.items()},
            "k": [
                [one.at, round(one.seconds, 2), one.number, int(one.cold)]
                for one in self.starts
            ],
            "e": int(self.ended),
        }
        return {key: value for key, value in data.items() if value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Point:
        get, seconds = data.get, float(data.get("s", 0))
        return cls(
            seconds=seconds,
            requests=get("n", 0),
            classes=tuple(get("c", _NO_CLASSES)),
            buckets=tuple(get("b", _NO_BUCKETS)),
            held=get("h", 0),
            in_flight=_level(get("f"), seconds),
            queued=_level(get("q"), seconds),
            ready=_level(get("r"), seconds),
            uses={int(key): Use.from_json(row) for key, row in get("u", {}).items()},
            gpus={int(key): GpuUse(*row) for key, row in get("g", {}).items()},
            starts=tuple(
                Start(at, took, number, bool(cold))
                for at, took, number, cold in get("k", ())
            ),
            ended=bool(get("e")),
        )


def nothing(seconds: float) -> Point:
    """A span in which nothing happened."""
    level = Level(seconds=seconds)
    return Point(seconds, in_flight=level, queued=level, ready=level, ended=True)


def merge(points: Iterable[Point]) -> Point:
    """One point for them all. They come in order of time, at least one."""
    every = list(points)
    if len(every) == 1:
        return every[0]
    return Point(
        seconds=sum([one.seconds for one in every]),
        requests=sum([one.requests for one in every]),
        classes=_columns([one.classes for one in every]),
        buckets=_columns([one.buckets for one in every]),
        held=sum([one.held for one in every]),
        in_flight=_level_of([one.in_flight for one in every]),
        queued=_level_of([one.queued for one in every]),
        ready=_level_of([one.ready for one in every]),
        uses=_by_number([one.uses for one in every], _use_of),
        gpus=_by_number([one.gpus for one in every], _gpu_use_of),
        starts=tuple([start for one in every for start in one.starts]),
        ended=every[-1].ended,
    )


def quantile(share: float, buckets: tuple[int, ...]) -> float | None:
    """Seconds within which that share (0 to 1) of the answers came; None without any.

    Even inside its bucket, as Prometheus reckons it; what took longer than the last
    bound counts as that bound.
    """
    rank = share * sum(buckets)
    if not rank:
        return None
    lower = 0.0
    for count, upper in zip(buckets, BOUNDS, strict=False):
        if rank <= count:
            return lower + (upper - lower) * rank / count
        rank -= count
        lower = upper
    return BOUNDS[-1]


def _pair(level: Level) -> list[float] | None:
    return [round(level.total, 2), level.most] if level.most else None


def _level(pair: list[float] | None, seconds: float) -> Level:
    return Level(pair[0], seconds, pair[1]) if pair else Level(seconds=seconds)


# Minutes of a thousand endpoints are merged at once: lists and few objects are quick.


def _columns(rows: list[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*rows, strict=True)))


def _level_of(levels: list[Level]) -> Level:
    return Level(
        sum([one.total for one in levels]),
        sum([one.seconds for one in levels]),
        max([one.most for one in levels]),
    )


def _use_of(uses: list[Use]) -> Use:
    return Use(
        sum([use.seconds for use in uses]),
        sum([use.busy for use in uses]),
        uses[-1].cores,
        _level_of([use.memory for use in uses]),
        uses[-1].limit,
        sum([use.received for use in uses]),
        sum([use.sent for use in uses]),
    )


def _gpu_use_of(uses: list[GpuUse]) -> GpuUse:
    return GpuUse(
        sum([use.seconds for use in uses]),
        sum([use.busy for use in uses]),
        sum([use.memory for use in uses]),
        uses[-1].limit,
    )


def _by_number(
    maps: list[Mapping[int, T]], join: Callable[[list[T]], T]
) -> dict[int, T]:
    found: dict[int, list[T]] = {}
    for one in maps:
        for number, use in one.items():
            found.setdefault(number, []).append(use)
    return {number: join(found[number]) for number in sorted(found)}
