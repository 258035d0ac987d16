"""What counters gained between two looks, and levels over time. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from endpoints.ingress.base import BOUNDS, Answers
from replicas.engine.base import Usage
from replicas.metrics.point import Level, Use

NO_ANSWERS = Answers((0,) * 5, (0,) * (len(BOUNDS) + 1), 0)


def gained(now: Answers, before: Answers = NO_ANSWERS) -> Answers:
    """The answers since `before`; all of `now` when the ingress began anew."""
    numbers, earlier = _flat(now), _flat(before)
    if any(n < e for n, e in zip(numbers, earlier, strict=True)):
        return now
    more = [n - e for n, e in zip(numbers, earlier, strict=True)]
    return Answers(tuple(more[:5]), tuple(more[5:-1]), more[-1])  # type: ignore[arg-type]


def _flat(answers: Answers) -> tuple[int, ...]:
    return (*answers.classes, *answers.buckets, answers.held)


def gained_count(now: int, before: int = 0) -> int:
    return now - before if now >= before else now


def used(now: Usage, before: Usage | None, cores: float, seconds: float) -> Use | None:
    """What a container used between two looks; None for the first and the same one.

    cores: how many it may use. seconds: between the looks; the engine reads a moment
    sooner or later, which evens out. One that started anew has counted from zero.
    """
    if before is None or now.at <= before.at:
        return None
    anew = now.cpu < before.cpu
    return Use(
        seconds=seconds,
        busy=now.cpu - (0 if anew else before.cpu),
        cores=cores,
        memory=Level(now.memory * seconds, seconds, now.memory),
        limit=now.limit,
        received=gained_count(now.received, 0 if anew else before.received),
        sent=gained_count(now.sent, 0 if anew else before.sent),
    )


class Levels:
    """Something by name that goes up and down, looked at now and then."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._totals: dict[str, float] = defaultdict(float)
        self._most: dict[str, float] = defaultdict(float)

    def add(self, seconds: float, now: Mapping[str, float]) -> None:
        """It was so for the last so many seconds; names with 0 may be left out."""
        self.seconds += seconds
        for name, value in now.items():
            if value:
                self._totals[name] += value * seconds
                self._most[name] = max(self._most[name], value)

    def of(self, name: str) -> Level:
        return Level(
            self._totals.get(name, 0.0), self.seconds, self._most.get(name, 0.0)
        )

    def names(self) -> set[str]:
        return set(self._most)
