"""Whether a failure is that of a database that is away, as a PostgreSQL may be."""

from __future__ import annotations

from django.db import InterfaceError, OperationalError

# What PostgreSQL says when it goes down, comes up or has no room for one more; what
# libpq says of itself has no code at all.
_CODES = frozenset({"57P01", "57P02", "57P03", "53300"})
# Seconds after which it is worth asking again.
AGAIN = 5


def is_away(error: BaseException | None) -> bool:
    """False for SQLite, whose errors have no code of this kind."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    if not hasattr(error.__cause__, "sqlstate"):
        return False
    code: str | None = getattr(error.__cause__, "sqlstate", None)
    return code is None or code.startswith("08") or code in _CODES
