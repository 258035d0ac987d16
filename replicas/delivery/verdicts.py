"""What an answer to a request that is sent later means for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

# How often a request is sent that broke its replica off, or was broken off by it.
ATTEMPTS_MAX = 3
# Refusals that need no patience: the pass is made anew, the host is listed soon.
_REFUSALS_MAX = 20
# A replica that failed is started again, with growing pauses: some five minutes in all.
_FAILURES_MAX = 17


class Next(Enum):
    KEEP = "keep"  # it is the container's answer, whatever its status
    AGAIN = "again"  # nobody took it; it waits
    RESEND = "resend"  # a container may have seen it
    RENEW = "renew"  # the pass is not known
    FAIL = "fail"


@dataclass(frozen=True)
class Verdict:
    """pause: seconds until the next try. why: for whoever asks meanwhile or at last."""

    next: Next
    pause: float = 0.0
    why: str = ""


# What the ingress says itself, by its code.
_WAITS = {
    "starting": "No replica is ready yet.",
    "waiting": "No replica is ready yet.",
    "idle": "No replica is ready yet.",
    "busy": "The endpoint has as many open requests as it may have.",
    "unavailable": "No replica took the request in time.",
    "paused": "The endpoint is paused.",
}
_BROKEN = {
    "gone": "The replica broke off before its answer was complete.",
    "timeout": "The replica did not answer in time.",
}


_FAILED = "The replica failed."


def verdict(code: str, tries: int, attempts: int, failures: int = 0) -> Verdict:
    """code: what the ingress said itself, "" for a container's answer, "lost" where the
    connection broke, "away" where there was none. tries: how often it was turned away.
    attempts: how often a container may have seen it, this time included. failures: how
    often "failed" was said since then.
    """
    if not code:
        return Verdict(Next.KEEP)
    if code in _BROKEN or code == "lost":
        why = _BROKEN.get(code, _BROKEN["gone"])
        if attempts >= ATTEMPTS_MAX:
            return Verdict(Next.FAIL, why=f"{why} It was sent {attempts} times.")
        return Verdict(Next.RESEND, 1.0, why)
    if code == "failed":
        if failures >= _FAILURES_MAX:
            return Verdict(Next.FAIL, why=_FAILED)
        return Verdict(Next.AGAIN, _pause(failures), _FAILED)
    if code in ("private", "unknown"):
        if tries >= _REFUSALS_MAX:
            return Verdict(Next.FAIL, why="The endpoint could not be called.")
        return Verdict(Next.RENEW, 0.5)
    why = _WAITS.get(code, "The ingress does not answer.")
    return Verdict(Next.AGAIN, _pause(tries), why)


def _pause(times: int) -> float:
    return min(1.5 ** min(times, 20), 30.0)
