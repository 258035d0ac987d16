"""An endpoint's last hour in its row of the list: a small picture and two numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replicas.metrics.point import quantile
from replicas.page import plot

MINUTES = 60


@dataclass(frozen=True)
class Traffic:
    """counts: requests of each minute, oldest first. rate, slow: how much and how
    slow it is now, "58 a minute" and "p95 1.9 s"; "" while there is nothing."""

    counts: tuple[int, ...] = ()
    rate: str = ""
    slow: str = ""

    @property
    def spoken(self) -> str:
        if not any(self.counts):
            return "No requests in the last hour"
        return f"Requests in the last hour, peak {max(self.counts):,} a minute"

    @property
    def paths(self) -> tuple[str, str]:
        """The area and the line; without an area while there is nothing."""
        top = max(self.counts, default=0) or 1
        under = plot.area(self.counts, top) if any(self.counts) else ""
        return under, plot.line(self.counts or (0, 0), top)


def traffic(
    counts: Sequence[int], requests: int, minutes: float, buckets: tuple[int, ...]
) -> Traffic:
    """requests, buckets: those of the last so many minutes."""
    return Traffic(tuple(counts), _rate(requests, minutes), _slow(buckets))


def _rate(requests: int, minutes: float) -> str:
    if not requests:
        return ""
    rate = requests / minutes
    if rate < 0.95:
        return f"{plot.told(rate * 60)} an hour"
    return f"{plot.told(rate)} a minute"


def _slow(buckets: tuple[int, ...]) -> str:
    seconds = quantile(0.95, buckets)
    if seconds is None:
        return ""
    if seconds < 0.95:
        return f"p95 {plot.shown(seconds * 1000)} ms"
    return f"p95 {plot.shown(seconds)} s"
