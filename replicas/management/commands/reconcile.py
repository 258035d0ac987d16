"""Look at endpoints from the shell: print the plan, or carry it out once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from endpoints.models import Endpoint
from replicas.reconciler import loop
from replicas.reconciler.observe import observe
from replicas.reconciler.plan import Act, plan


class Command(BaseCommand):
    help = "Make endpoints as they are wished, once; or print what would be done."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "names", nargs="*", help="endpoints; all when none is given"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="print the plan only"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        endpoints = Endpoint.objects.select_related("tier")
        if options["names"]:
            endpoints = endpoints.filter(name__in=options["names"])
        for endpoint in endpoints:
            if options["dry_run"]:
                self._print(endpoint)
            else:
                loop.reconcile(endpoint.pk)

    def _print(self, endpoint: Endpoint) -> None:
        todo = plan(observe(endpoint).snapshot, timezone.now(), loop.limits())
        self.stdout.write(f"{endpoint.name}: {len(todo.actions)} actions")
        for action in todo.actions:
            if isinstance(action, Act):
                self.stdout.write(f"  {action.verb} replica {action.replica.number}")
            else:
                self.stdout.write(f"  {action}")
