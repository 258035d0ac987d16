"""The PostgreSQL as a file, out of it or into it. For `make backup` and restore."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from console.moving import ways
from console.moving.errors import CannotMove
from launcher.show import step


class Command(BaseCommand):
    help = (
        "Write one moment of the PostgreSQL to an SQLite file, or such a file into it."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("way", choices=["read", "write"])
        parser.add_argument("file", type=Path, help="write may change it")
        parser.add_argument(
            "--replace",
            action="store_true",
            help="set aside what the PostgreSQL holds",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        try:
            if options["way"] == "read":
                with step("Copying the database") as line:
                    ways.read(file, lambda table, _: line.news(table))
                return
            with step("Filling the database") as line:
                _, before = ways.write(
                    file, lambda table, _: line.news(table), replace=options["replace"]
                )
        except CannotMove as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(
                f"The PostgreSQL does not do it: {str(error).strip()}\n"
                "See that it runs, that ALIGHT_DATABASE_URL is right and that its user "
                "owns the database; then run it again."
            ) from None
        if before:
            self.stdout.write(f"  What the database held before: schema {before} in it")
