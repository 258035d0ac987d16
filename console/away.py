"""Whether a failure is that of a database that is away, as a PostgreSQL may be, or of
one that somebody else keeps busy, as both may be."""

from __future__ import annotations

import sqlite3

from django.db import InterfaceError, InternalError, OperationalError

# What PostgreSQL says when it goes down, comes up or has no room for one more; what
# libpq says of itself has no code at all.
_CODES = frozenset({"57P01", "57P02", "57P03", "53300"})
# It ended a session that had been silent in the middle of a transaction.
_ENDED = "25P03"
# Somebody else had a row, or the whole database, for longer than anybody waits; two
# waited for each other, and one of them had to give way.
_BUSY_CODES = frozenset({"55P03", "40P01", "40001"})
_SQLITE_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
# Seconds after which it is worth asking again.
AGAIN = 5


def is_away(error: BaseException | None) -> bool:
    """False for SQLite, whose errors have no code of this kind."""
    if isinstance(error, InternalError):
        return _code(error) == _ENDED
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    if not hasattr(error.__cause__, "sqlstate"):
        return False
    code = _code(error)
    return code is None or code.startswith("08") or code in _CODES


def is_busy(error: BaseException | None) -> bool:
    """The same may go well a moment later."""
    if not isinstance(error, OperationalError):
        return False
    # Its low byte; the rest says why.
    number = getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF
    return number in _SQLITE_BUSY or _code(error) in _BUSY_CODES


def _code(error: BaseException) -> str | None:
    code: str | None = getattr(error.__cause__, "sqlstate", None)
    return code
