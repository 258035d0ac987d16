"""End the wait of whoever typed too many wrong passwords."""

from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError, CommandParser

from console import guard
from endpoints import advice


class Command(BaseCommand):
    help = "Let a person, or everybody, try to sign in again at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", help="a user name; without: everybody")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            ended = guard.allow(options["name"])
        except (redis.RedisError, OSError) as error:
            raise CommandError(
                f"Valkey does not answer, and the counts are there: {error}\n"
                f"Start it ({advice.start()}), or restart the web process, which then "
                "counts anew."
            ) from None
        who = options["name"] or "Everybody"
        self.stdout.write(f"{who} may sign in now. Counts that ended: {ended}.")
