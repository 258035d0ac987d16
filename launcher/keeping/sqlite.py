"""One moment of an SQLite database, as a file of its own."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from launcher.errors import LaunchError
from launcher.show import step


@contextmanager
def private(target: Path) -> Iterator[Path]:
    """An empty file beside the target, for its owner alone, that goes again."""
    path = target.with_name(f".{target.name}.sqlite3")
    # One that was killed may have left it. Anew, so that it is ours whatever somebody
    # else put there: a backup may be made in /tmp.
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield path
    finally:
        for tail in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + tail).unlink(missing_ok=True)


@contextmanager
def copied(database: Path, target: Path) -> Iterator[Path]:
    """One moment of the database, as a file beside the target that goes again."""
    with private(target) as copy:
        with step("Copying the database"):
            copy_to(database, copy)
        yield copy


def copy_to(database: Path, copy: Path) -> None:
    try:
        with (
            closing(
                sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
            ) as source,
            closing(sqlite3.connect(copy)) as into,
        ):
            # In one step: writers go on meanwhile, and this sees none of them.
            source.backup(into)
            into.execute("PRAGMA journal_mode=DELETE")
            found = into.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise LaunchError(
            f"The database {database} cannot be copied: {error}.",
            "See make doctor: most often a disk is full.",
        ) from error
    if found != "ok":
        raise LaunchError(
            f"The database {database} is damaged: {found}.",
            "Nothing was kept. An earlier backup may be whole: make restore FROM=…",
        )


def migrations(database: Path) -> dict[str, list[str]]:
    """app: the names of those that it has had."""
    found: dict[str, list[str]] = {}
    for app, name in _rows(database, "select app, name from django_migrations"):
        found.setdefault(app, []).append(name)
    return found


def volumes(database: Path) -> list[dict[str, str]]:
    """Their names, and what the engine calls them."""
    ask = "select name, engine_name from endpoints_volume where not deleting"
    return [{"name": n, "engine_name": e} for n, e in _rows(database, ask)]


def _rows(database: Path, query: str) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(database)) as link:
        return link.execute(query).fetchall()
