"""Out of a PostgreSQL to a file, and in from a file: what the commands call.

The file is an SQLite database with the same tables. So a backup is of one kind,
whatever database an installation uses, and comes back to either.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import (
    DEFAULT_DB_ALIAS,
    IntegrityError,
    connection,
    connections,
    transaction,
)

from console.moving import copying, numbers, schema, tables
from console.moving.errors import CannotMove

_SOURCE = "source"

# Called with a table and how many of its rows are over, often.
News = Callable[[str, int], None]
# table: rows.
Counts = dict[str, int]


def is_postgres() -> bool:
    """Whether the settings name a PostgreSQL."""
    return connections[DEFAULT_DB_ALIAS].vendor == "postgresql"


def read(path: Path, news: News) -> Counts:
    """One moment of the PostgreSQL that settings name, to a file that is not there.

    Nobody has to stop for it. Raises CannotMove, DatabaseError.
    """
    with _aimed(source=_live(), default=_file(path)), _one_moment():
        return _copy(tables.version_of(_SOURCE), news)


def write(path: Path, news: News, *, replace: bool = False) -> tuple[Counts, str]:
    """A file to the PostgreSQL that settings name; counts, and the schema that has
    what was there before ("" for nothing).

    The file is the caller's own to give: it is brought to this code's version first.
    Raises CannotMove, DatabaseError; nothing was changed then.
    """
    with _aimed(default=_live()):
        _check(replace=replace)
        kept = not schema.is_empty()
    with _aimed(default=_file(path)):
        tables.version_of(DEFAULT_DB_ALIAS)
        call_command("migrate", interactive=False, verbosity=0)
    mark = time.strftime("before_%Y%m%d_%H%M%S", time.gmtime())
    with _aimed(source=_file(path), default=_live()):
        _check_references()
        with schema.incoming(mark), _one_moment():
            counts = _copy(tables.version_of(_SOURCE), news)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    return counts, mark if kept else ""


def _check(*, replace: bool) -> None:
    if others := schema.others_connected():
        who = "one program uses" if others == 1 else f"{others} programs use"
        raise CannotMove(
            f"At least {who} this database now.",
            "Stop the console (make down; docker compose stop web worker beat), and "
            "close psql and the like; then run it again.",
        )
    if not replace and not schema.is_empty():
        raise CannotMove(
            "The PostgreSQL holds an installation already.",
            "Name an empty database; or, to put this in its place, run it again with "
            "--replace (make restore: REPLACE=1). What is there is set aside, not "
            "deleted.",
        )


def _check_references() -> None:
    try:
        connections[_SOURCE].check_constraints()
    except IntegrityError as error:
        raise CannotMove(
            f"A row names another that is not there: {error}",
            "Nothing was changed. Delete that row, then run it again.",
        ) from error


def _copy(version: tables.Version, news: News) -> Counts:
    tables.build(DEFAULT_DB_ALIAS, version)
    counts: Counts = {}
    with transaction.atomic(using=DEFAULT_DB_ALIAS):
        for model in version.models:
            name = model._meta.db_table
            counts[name] = copying.copy(
                model, _SOURCE, DEFAULT_DB_ALIAS, partial(news, name)
            )
        given = numbers.given(_SOURCE, version.models)
        numbers.give_on_after(DEFAULT_DB_ALIAS, version.models, given)
        connection.check_constraints()
    return counts


# --- Which database is which -------------------------------------------------


@contextmanager
def _aimed(**settings: dict[str, Any]) -> Iterator[None]:
    """Inside, these aliases are these databases.

    The one that is written is always the default: migrations write there.
    """
    before = {alias: connections.databases.get(alias) for alias in settings}
    _point(settings)
    try:
        yield
    finally:
        _point(before)


def _point(settings: Mapping[str, dict[str, Any] | None]) -> None:
    for alias, one in settings.items():
        if alias in connections.databases:
            connections[alias].close()
            del connections[alias]
        if one is None:
            connections.databases.pop(alias, None)
        else:
            connections.databases[alias] = one


def _live() -> dict[str, Any]:
    """The PostgreSQL of the settings, over one connection that keeps what is set."""
    live = _configured(settings.DATABASES[DEFAULT_DB_ALIAS])
    options = {k: v for k, v in live["OPTIONS"].items() if k != "pool"}
    return {**live, "OPTIONS": options, "CONN_MAX_AGE": None}


def _configured(one: dict[str, Any]) -> dict[str, Any]:
    """With Django's own defaults for what it does not say."""
    full: dict[str, dict[str, Any]] = connections.configure_settings(
        {DEFAULT_DB_ALIAS: one}
    )
    return full[DEFAULT_DB_ALIAS]


def _file(path: Path) -> dict[str, Any]:
    one = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        # Nobody else has it, and a half-done one is thrown away.
        "OPTIONS": {"init_command": "PRAGMA synchronous=OFF;"},
    }
    return _configured(one)


@contextmanager
def _one_moment() -> Iterator[None]:
    """Inside, the source stands still for us, and goes on for everybody else."""
    with transaction.atomic(using=_SOURCE):
        if connections[_SOURCE].vendor == "postgresql":
            with connections[_SOURCE].cursor() as cursor:
                cursor.execute(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
                )
                # It is idle while the other database works, and keeps nobody waiting.
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield
