"""`manage.py move_database`: from SQLite to a PostgreSQL. docs/operating.md"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from console.doctor import place
from console.moving import ways
from console.moving.errors import CannotMove
from endpoints import advice
from launcher.config import make_folders
from launcher.errors import LaunchError
from launcher.keeping.sqlite import copied
from launcher.show import Step, step
from launcher.supervisor import AlreadyRunning, only_one


class Command(BaseCommand):
    help = (
        "Copy an SQLite database into the PostgreSQL that settings name, and compare "
        "every row. The console has to be stopped; replicas keep running."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file",
            nargs="?",
            type=Path,
            default=Path(settings.ALIGHT_SQLITE),
            help="the SQLite database; without: that of ALIGHT_HOME",
        )
        parser.add_argument(
            "--replace",
            action="store_true",
            help="set aside what the PostgreSQL holds",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"].expanduser().absolute()
        if not ways.is_postgres():
            raise CommandError(
                "The settings name no PostgreSQL to move to.\n"
                "Set ALIGHT_DATABASE_URL=postgres://user@host:5432/name, then run it "
                "again."
            )
        if not file.is_file():
            raise CommandError(
                f"There is no database at {file}.\n"
                "Give the right ALIGHT_HOME, or name the file."
            )
        begun = time.monotonic()
        try:
            counts, before = _move(file, replace=options["replace"])
        except AlreadyRunning:
            raise CommandError(
                f"Alight runs with {settings.ALIGHT_HOME}.\n"
                f"{advice.stop()}, then run it again."
            ) from None
        except (CannotMove, LaunchError) as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(
                f"The PostgreSQL does not take it: {str(error).strip()}\n"
                "Nothing was changed. See that it runs, that ALIGHT_DATABASE_URL is "
                "right and that its user owns the database; then run it again."
            ) from None
        self._tell(file, counts, before, time.monotonic() - begun)

    def _tell(
        self, file: Path, counts: ways.Counts, before: str, seconds: float
    ) -> None:
        lines = [
            f"Moved {sum(counts.values()):,} rows of {len(counts)} tables in "
            f"{seconds:.0f} s. Each was read back and compared.",
            f"Start it with the same settings: {advice.start()}. Replicas that run are "
            "found again; logs stay where they are.",
            f"{file} is as it was. Delete it when you are sure.",
        ]
        if before:
            lines.append(
                "What the PostgreSQL held before is in its schema "
                f"{before}: DROP SCHEMA {before} CASCADE deletes it."
            )
        self.stdout.write("\n".join(lines))


def _move(file: Path, *, replace: bool) -> tuple[ways.Counts, str]:
    """A copy is moved: the file stays as it is, whatever happens."""
    config = place.config()
    make_folders(config)
    with (
        only_one(config),
        copied(file, config.home / "moving") as copy,
        step("Moving it") as line,
    ):
        return ways.write(copy, _news(line), replace=replace)


def _news(line: Step) -> ways.News:
    return lambda table, done: line.news(f"{table}, {done:,} rows")
