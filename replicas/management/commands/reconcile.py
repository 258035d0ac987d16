"""Look at endpoints from the shell: print the plan, or carry it out once."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet
from django.utils import timezone
from redis.exceptions import RedisError

from endpoints import advice
from endpoints.ingress import get_ingress
from endpoints.ingress.base import IngressUnreachable
from endpoints.models import Endpoint
from replicas import routing
from replicas.engine import get_engine, names
from replicas.engine.base import EngineError
from replicas.reconciler import loop
from replicas.reconciler.observe import observe
from replicas.reconciler.plan import plan
from replicas.reconciler.saying import in_words


class Command(BaseCommand):
    help = "Print what the worker would do for endpoints now, or do it once."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "names", nargs="*", help="endpoints; all when none is given"
        )
        how = parser.add_mutually_exclusive_group(required=True)
        how.add_argument("--dry-run", action="store_true", help="print, touch nothing")
        how.add_argument("--once", action="store_true", help="carry it out, once")

    def handle(self, *args: Any, **options: Any) -> None:
        endpoints = _named(options["names"])
        try:
            for endpoint in endpoints.select_related("tier", "owner"):
                if options["dry_run"]:
                    self._print(endpoint)
                else:
                    loop.reconcile(endpoint.pk)
            if options["dry_run"] and not options["names"]:
                self._print_strays()
        except EngineError as error:
            raise CommandError(f"{error} manage.py doctor says more.") from None
        except RedisError as error:
            raise CommandError(
                f"Valkey does not answer: {error}. Start the console: {advice.start()}"
            ) from None

    def _print(self, endpoint: Endpoint) -> None:
        now = timezone.now()
        todo = plan(observe(endpoint).snapshot, now, loop.limits())
        wanted = f"{endpoint.ready_count} of {endpoint.wanted_count} ready"
        self.stdout.write(f"{endpoint.name} ({endpoint.phase}, {wanted})")
        for action in todo.actions:
            self.stdout.write(f"  {in_words(action)}")
        if not todo.actions:
            self.stdout.write("  nothing to do")
        if todo.again:
            seconds = max(0.0, (todo.again - now).total_seconds())
            self.stdout.write(f"  look again in {seconds:.0f} s")

    def _print_strays(self) -> None:
        """What the sweep would do beside the endpoints' own plans."""
        ours = {names.INSTALLATION: settings.ALIGHT_INSTALLATION}
        known = set(Endpoint.objects.values_list("name", flat=True))
        for container in loop.strangers(get_engine().observe(ours), known):
            self.stdout.write(f"remove {container.name}: its endpoint is gone")
        try:
            told = get_ingress().differences(routing.all_routes)
        except IngressUnreachable as error:
            told = [f"{error} Its routes cannot be compared."]
        for sentence in told:
            self.stdout.write(sentence)


def _named(words: list[str]) -> QuerySet[Endpoint]:
    found = Endpoint.objects.filter(name__in=words) if words else Endpoint.objects.all()
    missing = sorted(set(words) - set(found.values_list("name", flat=True)))
    if missing:
        raise CommandError(f"There is no endpoint “{missing[0]}”.")
    return found.order_by("name")
