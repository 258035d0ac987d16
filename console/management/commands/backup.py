"""The same as `make backup`, for whoever is at manage.py."""

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from launcher.config import read_config
from launcher.errors import LaunchError
from launcher.keeping.backup import backup


class Command(BaseCommand):
    help = "Write the whole installation into one file, while it runs."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "to",
            nargs="?",
            default="",
            help="a file that is not there; - for standard output",
        )
        parser.add_argument(
            "--volumes", action="store_true", help="with the files on volumes"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            backup(read_config(os.environ), options["to"], volumes=options["volumes"])
        except LaunchError as error:
            raise CommandError(str(error)) from None
