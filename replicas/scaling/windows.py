"""What a number was within the last seconds. Pure: times are passed in, in seconds."""

from __future__ import annotations

from collections import deque


class Mean:
    """The mean of what was recorded within `span` seconds."""

    def __init__(self, span: float) -> None:
        self._span = span
        self._seen: deque[tuple[float, float]] = deque()
        self._sum = 0.0

    def record(self, at: float, value: float) -> None:
        while self._seen and self._seen[-1][0] > at:
            # The clock was set back: when that was cannot be told any more.
            self._sum -= self._seen.pop()[1]
        self._seen.append((at, value))
        self._sum += value
        while self._seen[0][0] <= at - self._span:
            self._sum -= self._seen.popleft()[1]

    @property
    def value(self) -> float:
        """0 before the first record."""
        return self._sum / len(self._seen) if self._seen else 0.0


class Lasting:
    """The lowest of the last `looks` records: what none of them fell below."""

    def __init__(self, looks: int) -> None:
        self._seen: deque[float] = deque([0.0] * looks, maxlen=looks)

    def record(self, value: float) -> None:
        self._seen.append(value)

    @property
    def value(self) -> float:
        """0 until there were so many."""
        return min(self._seen)


class Most:
    """The highest of what was recorded within a span that may change."""

    def __init__(self) -> None:
        # Falling values only: what is lower and older than another never counts.
        self._seen: deque[tuple[float, int]] = deque()

    def record(self, at: float, value: int) -> None:
        while self._seen and (self._seen[-1][1] <= value or self._seen[-1][0] > at):
            self._seen.pop()
        self._seen.append((at, value))

    def within(self, at: float, span: float) -> int:
        """What is left behind by a span is forgotten; the newest record counts always.

        0 before the first record.
        """
        while len(self._seen) > 1 and self._seen[0][0] < at - span:
            self._seen.popleft()
        return self._seen[0][1] if self._seen else 0
