"""The database: there, whole, and of this version of the code."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from django.db import connection
from django.db.migrations.loader import MigrationLoader

from console.doctor import place, postgres
from console.doctor.finding import Finding, fine, note, wrong
from console.moving.tables import differences
from endpoints import advice

# Seconds for reading the whole file; a large one is left unread.
_PATIENCE = 4.0
_RESTORE = "make restore FROM=… puts a backup in its place (docs/operating.md)."


def check() -> list[Finding]:
    if server := place.postgres():
        found, answers = postgres.look(server)
        return [*found, *(_migrations() if answers else [])]
    path = place.database()
    if not path.is_file():
        return [
            wrong(
                f"There is no database at {path}.",
                f"{advice.start()} makes one; {_RESTORE}",
            )
        ]
    return [_whole(path), *_migrations()]


def _whole(path: Path) -> Finding:
    deadline = time.monotonic() + _PATIENCE
    link = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_PATIENCE)
    try:
        link.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        told = [row[0] for row in link.execute("PRAGMA quick_check(3)")]
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            return wrong(
                f"The database cannot be read: {error}.",
                "A full disk does this too (its side files have no room): free some "
                "space. It goes on by itself then.",
            )
        return note("The database was too large to be read through in this time.")
    except sqlite3.DatabaseError as error:
        told = [str(error)]
    finally:
        link.close()
    return judge(path, told)


def judge(path: Path, told: list[str]) -> Finding:
    """told: what SQLite's own check says; ["ok"] when the file is whole."""
    if told == ["ok"]:
        return fine(f"{path.name} is whole, {path.stat().st_size / 1e6:.1f} MB.")
    return wrong(f"{path} is damaged: {told[0]}", f"{advice.stop()}, then: {_RESTORE}")


def _migrations() -> list[Finding]:
    missing, unknown = differences(MigrationLoader(connection))
    return migrations([*map(".".join, missing)], [*map(".".join, unknown)])


def migrations(missing: list[str], unknown: list[str]) -> list[Finding]:
    if unknown:
        return [
            wrong(
                f"The database is of a newer Alight than this code: {unknown[-1]}.",
                f"Take the newer code (git pull), then: {advice.renew()}",
            )
        ]
    if missing:
        return [
            wrong(
                f"The database lacks {len(missing)} migrations of this code, such as "
                f"{missing[0]}.",
                advice.restart(),
            )
        ]
    return []
