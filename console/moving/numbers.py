"""The numbers a database has given to rows, so that none is given twice.

A container keeps the number of its replica after that row is gone: the next number
does not follow from the rows that are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db import connections
from django.db.models import AutoField, Model


def given(alias: str, models: Iterable[type[Model]]) -> dict[str, int]:
    """table: the highest number that one of its rows ever had."""
    link = connections[alias]
    with link.cursor() as cursor:
        if link.vendor == "sqlite":
            cursor.execute("SELECT name, seq FROM sqlite_sequence")
            return {str(name): int(seq) for name, seq in cursor.fetchall()}
        found = {}
        for table, column in _counted(models):
            cursor.execute(
                "SELECT last_value, is_called FROM "  # noqa: S608
                f"{_sequence(alias, table, column)}"
            )
            last, called = cursor.fetchone()
            found[table] = last if called else last - 1
        return found


def give_on_after(
    alias: str, models: Iterable[type[Model]], numbers: Mapping[str, int]
) -> None:
    """Let the next row of each table have a number that none had."""
    link = connections[alias]
    with link.cursor() as cursor:
        for table, column in _counted(models):
            number = numbers.get(table, 0)
            if number < 1:
                continue
            if link.vendor == "sqlite":
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
                cursor.execute(
                    "INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)",
                    [table, number],
                )
            else:
                where = _sequence(alias, table, column)
                cursor.execute("SELECT setval(%s::regclass, %s)", [where, number])


def _counted(models: Iterable[type[Model]]) -> list[tuple[str, str]]:
    keys = [(model._meta.db_table, model._meta.pk) for model in models]
    return [
        (table, str(key.column)) for table, key in keys if isinstance(key, AutoField)
    ]


def _sequence(alias: str, table: str, column: str) -> str:
    link = connections[alias]
    with link.cursor() as cursor:
        quoted = link.ops.quote_name(table)
        cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [quoted, column])
        return str(cursor.fetchone()[0])
