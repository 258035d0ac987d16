"""Delete what is history now, or say what would go."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from replicas import pruning


class Command(BaseCommand):
    help = "Delete what is no longer kept, as the worker does every ten minutes."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="print, touch nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        dry_run: bool = options["dry_run"]
        total = 0
        for done in pruning.prune(timezone.now(), dry_run=dry_run):
            total += done.count
            freed = f", {done.freed / 1e6:,.1f} MB" if done.freed else ""
            self.stdout.write(f"{done.count:>8,}  {done.kind}{freed}")
        if dry_run:
            self.stdout.write("Nothing was touched. Without --dry-run these go.")
        elif not total:
            self.stdout.write("Nothing was due.")
