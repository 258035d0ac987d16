"""`make -s token NAME=ci`: print a new token of the admin, and nothing else."""

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from endpoints import advice
from endpoints.keys import make_token
from endpoints.models import Endpoint, Scope


class Command(BaseCommand):
    help = "Make a bearer token and print it. It is not shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="where the token will be used")
        parser.add_argument("--user", default="admin")
        parser.add_argument(
            "--scope",
            choices=Scope.values,
            help="what it may do; manage, or call-some where endpoints are named",
        )
        parser.add_argument(
            "--endpoint",
            action="append",
            default=[],
            dest="endpoints",
            metavar="NAME",
            help="one that a token with call-some may call; can be given more often",
        )
        parser.add_argument("--days", type=int, help="it expires after so many")

    def handle(self, *args: Any, **options: Any) -> None:
        users = get_user_model()._default_manager
        owner = users.filter(username=options["user"]).first()
        if owner is None:
            raise CommandError(
                f'There is no user "{options["user"]}". Run "{advice.start()}" first, '
                "or name another with --user."
            )
        named, days = options["endpoints"], options["days"]
        scope = Scope(options["scope"] or (Scope.CALL_SOME if named else Scope.MANAGE))
        if (scope == Scope.CALL_SOME) != bool(named):
            raise CommandError("--scope call-some and --endpoint NAME go together.")
        if days is not None and days < 1:
            raise CommandError("Let it live for at least one day.")
        seen = Endpoint.objects.alive().visible_to(owner).filter(name__in=named)
        for name in set(named) - set(seen.values_list("name", flat=True)):
            raise CommandError(f'{options["user"]} has no endpoint "{name}".')
        _, token = make_token(
            owner,
            options["name"],
            scope=scope,
            endpoints=seen,
            expires_at=timezone.now() + timedelta(days=days) if days else None,
        )
        self.stdout.write(token)
