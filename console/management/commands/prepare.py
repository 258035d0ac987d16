"""Everything between new code and a start, in one process: quicker than four."""

import sys
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = (
        "Migrate, collect static files, load the catalogue, write the ingress, make "
        "user admin. Only how to sign in goes to standard output."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--running",
            action="store_true",
            help="leave the files of an ingress that runs alone: they are its state",
        )

        parser.add_argument(
            "--image",
            action="store_true",
            help="as --running, in a container: its image has the static files",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        steps = ["migrate", "load_catalogue"]
        if not options["image"]:
            steps.insert(1, "collectstatic")
        if not (options["running"] or options["image"]):
            steps.append("write_ingress")
        for name in steps:
            sys.stderr.write(f"{name}\n")
            call_command(name, **QUIET.get(name, {}), stdout=self.stderr)
        call_command("ensure_admin", stdout=self.stdout)


QUIET: dict[str, dict[str, Any]] = {
    "migrate": {"interactive": False},
    "collectstatic": {"interactive": False},
}
