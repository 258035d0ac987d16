"""A place in a PostgreSQL that is filled unseen and then is the database at once.

Tables are made and filled in a schema of their own. Whoever uses the database meets
the old tables until one transaction puts the new ones in their place; a move that
fails or is killed before has changed nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from console.moving.errors import CannotMove

_INCOMING = "alight_incoming"
# First words of the names of tables that are ours: Django's own, and our apps'.
_OURS = (
    "auth_",
    "console_",
    "django_",
    "endpoints_",
    "replicas_",
    "templates_app_",
)
# What migrations write by themselves.
_UNTOLD = {"django_migrations", "django_content_type", "auth_permission"}


def others_connected() -> int:
    """How many others use this database."""
    return int(
        _one(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    )


def tables() -> list[str]:
    """Ours, in the schema that this database is used by."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() "
            "ORDER BY tablename"
        )
        return [name for (name,) in cursor.fetchall() if name.startswith(_OURS)]


def is_empty() -> bool:
    """Whether nobody's work is in it: no tables, or none with rows."""
    return not any(_has_rows(name) for name in tables() if name not in _UNTOLD)


@contextmanager
def incoming(mark: str) -> Iterator[None]:
    """Inside, this connection makes and sees tables in a schema of their own.

    At its end they are the database, and those that were there before are in a schema
    `mark`, or gone where nothing was in them. Raises: everything is as it was.
    """
    home = _one("SELECT current_schema()")
    if not home:
        raise CannotMove(
            "The database has no schema that this user may use.",
            "As its owner: CREATE SCHEMA public.",
        )
    quote = connection.ops.quote_name
    old, empty = tables(), is_empty()
    try:
        _do(f"DROP SCHEMA IF EXISTS {_INCOMING} CASCADE", f"CREATE SCHEMA {_INCOMING}")
        _do(f"SET search_path TO {_INCOMING}")
        yield
        _do(f"SET search_path TO {quote(home)}")
        with transaction.atomic():
            _put_away(old, None if empty else quote(mark))
            for name in _tables_of(_INCOMING):
                _do(f"ALTER TABLE {_INCOMING}.{quote(name)} SET SCHEMA {quote(home)}")
            _do(f"DROP SCHEMA {_INCOMING}")
    finally:
        if connection.connection is not None:
            _do(f"SET search_path TO {quote(home)}")
            _do(f"DROP SCHEMA IF EXISTS {_INCOMING} CASCADE")


def _put_away(names: list[str], schema: str | None) -> None:
    quote = connection.ops.quote_name
    if schema and names:
        _do(f"CREATE SCHEMA {schema}")
    for name in names:
        if schema:
            _do(f"ALTER TABLE {quote(name)} SET SCHEMA {schema}")
        else:
            _do(f"DROP TABLE {quote(name)} CASCADE")


def _tables_of(schema: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema]
        )
        return [name for (name,) in cursor.fetchall()]


def _has_rows(table: str) -> bool:
    quoted = connection.ops.quote_name(table)
    return bool(_one(f"SELECT EXISTS (SELECT 1 FROM {quoted})"))  # noqa: S608


def _one(query: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
    return row[0] if row else None


def _do(*queries: str) -> None:
    with connection.cursor() as cursor:
        for query in queries:
            cursor.execute(query)
