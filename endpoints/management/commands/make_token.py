"""`make -s token NAME=ci`: print a new token of the admin, and nothing else."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from endpoints.keys import make_token


class Command(BaseCommand):
    help = "Make a bearer token and print it. It is not shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="where the token will be used")
        parser.add_argument("--user", default="admin")

    def handle(self, *args: Any, **options: Any) -> None:
        users = get_user_model()._default_manager
        owner = users.filter(username=options["user"]).first()
        if owner is None:
            raise CommandError(
                f'There is no user "{options["user"]}". Run "make up" first, '
                "or name another with --user."
            )
        _, token = make_token(owner, options["name"])
        self.stdout.write(token)
