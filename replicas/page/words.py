"""Pieces of sentences. Some name a moment, so that the browser can count by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from replicas.progress import duration

Kind = Literal["", "clock", "moment", "for", "ago", "until", "progress"]


@dataclass(frozen=True)
class Part:
    """A piece of text, and what keeps it right after the page was drawn.

    clock: time of day of `at`. moment: the same without seconds, with its day when that
    is not today. for: how long since `at`, with seconds while shorter
    than `fine` seconds. ago: the same, coarsely, ending in "ago". until: how long to
    `at`. progress: replaced by the progress of `replica`; `field` says with which text.
    """

    text: str
    kind: Kind = ""
    at: datetime | None = None
    fine: int = 3600
    replica: int | None = None
    field: Literal["", "label", "text", "rest", "small"] = ""


Sentence = tuple[Part, ...]


def say(*pieces: str | Part) -> Sentence:
    """A sentence of plain texts and counting parts; empty pieces are left out."""
    parts = (Part(p) if isinstance(p, str) else p for p in pieces)
    return tuple(part for part in parts if part.text)


def plain(sentence: Sentence) -> str:
    return "".join(part.text for part in sentence)


def elapsed(seconds: float, fine: int = 3600) -> str:
    """ "14 s", "1 min 42 s"; from `fine` seconds on without the seconds."""
    whole = max(0, int(seconds))
    if whole >= max(fine, 60):
        whole -= whole % 60
    return duration(whole)


def ago(seconds: float) -> str:
    """ "just now", "2 min ago", "3 h ago", "2 days ago"."""
    whole = int(seconds)
    if whole < 60:
        return "just now"
    if whole < 3600:
        return f"{whole // 60} min ago"
    if whole < 86400:
        return f"{whole // 3600} h ago"
    days = whole // 86400
    return "1 day ago" if days == 1 else f"{days} days ago"


def lasting(at: datetime, now: datetime, fine: int = 3600) -> Part:
    return Part(elapsed((now - at).total_seconds(), fine), "for", at, fine)


def since(at: datetime, now: datetime) -> Part:
    return Part(ago((now - at).total_seconds()), "ago", at)


def left(at: datetime, now: datetime) -> Part:
    return Part(elapsed((at - now).total_seconds()), "until", at)


def clock(at: datetime) -> Part:
    """The browser shows its own time zone; without scripts it is UTC and says so."""
    return Part(f"{at:%H:%M:%S} UTC", "clock", at)


def moment(at: datetime, now: datetime) -> Part:
    """ "18:00", "Tue 18:00", "3 Dec 18:00"; as `clock`, UTC without scripts."""
    at, today = at.astimezone(UTC), now.astimezone(UTC).date()
    far = abs((at.date() - today).days)
    day = "" if not far else f"{at:%a} " if far < 7 else f"{at.day} {at:%b} "
    return Part(f"{day}{at:%H:%M} UTC", "moment", at)


def lower_first(text: str) -> str:
    """For use within a sentence; names such as "A10" or "Port" keep their capital."""
    if len(text) > 1 and not text[1].islower():
        return text
    return text[:1].lower() + text[1:]


def full_stop(text: str) -> str:
    return text if not text or text[-1] in ".!?…" else f"{text}."
