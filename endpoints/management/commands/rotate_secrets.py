"""`manage.py rotate_secrets`: seal everything with the newest key. docs/secrets.md"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from endpoints import advice, resealing


class Command(BaseCommand):
    help = (
        "Seal all secrets, registry sign-ins and secret environment values with the "
        "newest key. May be repeated, and broken off at any point."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        step = parser.add_mutually_exclusive_group()
        step.add_argument(
            "--new-key",
            action="store_true",
            help="make a new key first; the old one still opens what it sealed",
        )
        step.add_argument(
            "--drop-old",
            action="store_true",
            help="afterwards forget the old keys; sessions signed with them end",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["new_key"]:
                resealing.new_key()
                self.stdout.write("There is a new key. The old one still opens.")
            drop = options["drop_old"]
            tally = resealing.drop_old() if drop else resealing.reseal_all()
        except resealing.NoKeyFile as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"Sealed anew: {tally.renewed}. With the newest key already: {tally.fresh}."
        )
        if drop:
            self.stdout.write("The old keys are forgotten.")
        for what in tally.lost:
            self.stderr.write(f"No key opens {what}. Type it again.")
        if options["new_key"]:
            self.stdout.write(
                f"Restart Alight when it suits ({advice.restart()}), then forget the "
                "old key: manage.py rotate_secrets --drop-old"
            )
