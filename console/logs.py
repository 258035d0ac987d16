"""How a line of web's, worker's and beat's logs is written: docs/operating.md."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from endpoints import trail


class Lines(logging.Formatter):
    """For people: time, level, logger, what it is about, message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(about)s%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        told = " ".join(f"{key}={value}" for key, value in _about().items())
        record.about = f"[{told}] " if told else ""
        return super().format(record)


class JsonLines(logging.Formatter):
    """For programs: one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_about(),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str)


def _about() -> dict[str, object]:
    """Only what is known."""
    here = trail.now()
    told = {
        "request": here.request,
        "endpoint": here.endpoint,
        "replica": here.replica,
    }
    return {key: value for key, value in told.items() if value}
