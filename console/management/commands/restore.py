"""The same as `make restore`, where all that it needs is installed and runs."""

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from launcher.config import read_config
from launcher.errors import LaunchError
from launcher.keeping.restore import restore


class Command(BaseCommand):
    help = "Put a backup where nothing is, or in the place of what is there."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "source", help="a file that backup made; - for standard input"
        )
        parser.add_argument(
            "--replace", action="store_true", help="set aside what is there"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        config = read_config(os.environ)
        try:
            restore(config, options["source"], replace=options["replace"], ready=True)
        except LaunchError as error:
            raise CommandError(str(error)) from None
