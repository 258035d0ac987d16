"""`manage.py load_catalogue`: bring tiers and templates to what the files say."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from templates_app.catalogue.fields import CatalogueError
from templates_app.catalogue.loading import load
from templates_app.catalogue.reading import FOLDER


class Command(BaseCommand):
    help = "Load the catalogue's tiers and templates. Harmless to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--folder", type=Path, default=FOLDER, help="another folder of YAML files"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = load(options["folder"])
        except CatalogueError as error:
            raise CommandError(f"The catalogue has a mistake. {error}.") from None
        for word, slugs in (
            ("added", done.added),
            ("changed", done.changed),
            ("retired", done.retired),
        ):
            if slugs:
                self.stdout.write(f"{word}: {', '.join(slugs)}")
        total = len(done.added) + len(done.changed) + done.unchanged
        self.stdout.write(f"{total} templates, {done.unchanged} unchanged")
