"""How a line of web's, worker's and beat's logs is written: docs/operating.md."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime

from console.away import is_away
from endpoints import trail

# Seconds between two lines of one kind about a database that is away.
_SAID_AGAIN = 60.0
# Its pool says why it has no connection, for each attempt.
_POOL = "psycopg.pool"


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


class Away(logging.Filter):
    """While the database is away nearly all we do fails, several times a second, for as
    long as that goes on. Each place says so once a minute, without how it came there.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        away = is_away(error)
        if not away and not record.name.startswith(_POOL):
            return True
        if away:
            record.msg = f"{record.getMessage()}: the database does not answer: {error}"
            record.args, record.exc_info, record.exc_text = (), None, None
        place, now = (record.name, record.lineno), time.monotonic()
        if now - self._said.get(place, -_SAID_AGAIN) < _SAID_AGAIN:
            return False
        self._said[place] = now
        return True


def _about() -> dict[str, object]:
    """Only what is known."""
    here = trail.now()
    told = {
        "request": here.request,
        "endpoint": here.endpoint,
        "replica": here.replica,
    }
    return {key: value for key, value in told.items() if value}
