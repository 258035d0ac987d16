"""Rows from one database to another, and each read back and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.db import DataError, Error, IntegrityError, connections
from django.db.models import Field, Model

from console.moving.errors import CannotMove
from console.postgres.text import kept_within

# Rows at a time: what is in memory, and what one question reads back.
BATCH = 500

Row = tuple[Any, ...]


def copy(
    model: type[Model], source: str, target: str, news: Callable[[int], None]
) -> int:
    """All rows of one table; how many. Raises CannotMove.

    Read back at once, inside the transaction that wrote them, and compared value by
    value: what one database cannot hold as the other did is found before anything
    counts.
    """
    fields = _columns(model)
    names = [field.attname for field in fields]
    rows = model._base_manager.using(source).order_by("pk").values_list(*names)
    done = 0
    for batch in _batches(rows.iterator(chunk_size=BATCH)):
        _insert(model, fields, batch, target)
        _compare(model, names, batch, target)
        done += len(batch)
        news(done)
    found = model._base_manager.using(target).count()
    if found != done:
        raise CannotMove(
            f"{_called(model)} has {found} rows after {done} were copied.",
            "Nothing was changed. Somebody else writes to that database: stop them.",
        )
    return done


def _columns(model: type[Model]) -> list[Field[Any, Any]]:
    return [field for field in model._meta.concrete_fields if field.column]


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rows = iter(rows)
    while batch := list(islice(rows, BATCH)):
        yield batch


def _insert(
    model: type[Model], fields: list[Field[Any, Any]], rows: list[Row], target: str
) -> None:
    link = connections[target]
    quote = link.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    where = f"{quote(model._meta.db_table)} ({columns})"
    values = [
        [f.get_db_prep_save(v, link) for f, v in zip(fields, row, strict=True)]
        for row in rows
    ]
    try:
        with link.cursor() as cursor:
            if link.vendor == "postgresql":
                _stream(link, cursor, where, values)
            else:
                marks = ", ".join(["%s"] * len(fields))
                query = f"INSERT INTO {where} VALUES ({marks})"  # noqa: S608
                cursor.executemany(query, values)
    except (DataError, IntegrityError) as error:
        raise CannotMove(
            f"{_called(model)}, rows {rows[0][0]} to {rows[-1][0]}, cannot be kept in "
            f"the other database: {_first_line(error)}",
            "Nothing was changed. Change or delete what is named, then run it again.",
        ) from error


def _stream(link: Any, cursor: Any, where: str, rows: list[list[Any]]) -> None:
    """PostgreSQL's own way for many rows: a third of the time."""
    with link.wrap_database_errors, cursor.copy(f"COPY {where} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _compare(
    model: type[Model], names: list[str], rows: Sequence[Row], target: str
) -> None:
    key = names.index(model._meta.pk.attname)
    keys = [row[key] for row in rows]
    # In no order: that of some follows other tables, which may be empty yet.
    there = model._base_manager.using(target).filter(pk__in=keys).order_by()
    found = there.values_list(*names)
    written = {row[key]: row for row in found}
    for row in rows:
        other = written.get(row[key])
        if other != row and other != _as_kept(row):
            raise CannotMove(
                f"{_called(model)}, row {row[key]}, reads otherwise in the other "
                f"database: {_difference(names, row, other)}.",
                "Nothing was changed. This is a fault of ours: please report it.",
            )


def _as_kept(row: Row) -> Row:
    """As far as PostgreSQL can hold it."""
    return tuple(kept_within(value) for value in row)


def _difference(names: list[str], row: Row, other: Row | None) -> str:
    """Names the columns and not their values, which may be secret."""
    if other is None:
        return "it is not there"
    pairs = zip(names, row, other, strict=True)
    return ", ".join(name for name, one, two in pairs if one != two)


def _called(model: type[Model]) -> str:
    return f"Table {model._meta.db_table}"


def _first_line(error: Error) -> str:
    return str(error).strip().splitlines()[0]
