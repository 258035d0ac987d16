"""What a check found. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    OK = "ok"
    NOTE = "note"  # worth knowing; the exit code stays 0
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """A sentence, and how to mend it ("" where nothing has to be)."""

    level: Level
    text: str
    mend: str = ""
    check: str = ""


def fine(text: str) -> Finding:
    return Finding(Level.OK, text)


def note(text: str, mend: str = "") -> Finding:
    return Finding(Level.NOTE, text, mend)


def wrong(text: str, mend: str) -> Finding:
    return Finding(Level.WRONG, text, mend)


class CannotLook(Exception):
    """A check needs something that is away. The text says what was not looked at;
    what is away is another check's finding."""


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "ok": not any(f.level is Level.WRONG for f in findings),
        "findings": [asdict(finding) for finding in findings],
    }


def as_lines(findings: Sequence[Finding]) -> list[str]:
    lines = []
    for found in findings:
        lines.append(f"{found.level:6}{found.check:13}{found.text}")
        if found.mend:
            lines.append(f"{'':19}→ {found.mend}")
    count = sum(f.level is Level.WRONG for f in findings)
    ending = {0: "Nothing needs mending.", 1: "1 thing needs mending."}
    return [*lines, "", ending.get(count, f"{count} things need mending.")]
