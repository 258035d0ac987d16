"""`manage.py isolation`: whether replicas are fenced in, and putting that right."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from replicas.engine.base import EngineError
from replicas.isolation import fencing, keeping


class Command(BaseCommand):
    help = "Say whether replicas are kept away from this machine and its networks."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--apply", action="store_true", help="put the rules up")
        parser.add_argument("--remove", action="store_true", help="take them down")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["remove"]:
            try:
                keeping.take_down()
            except (fencing.NotFenced, EngineError) as error:
                raise CommandError(f"The rules could not be removed: {error}") from None
            self.stdout.write("The rules around replicas are gone.")
            return
        if options["apply"]:
            state = keeping.try_ways(
                lambda place: f"by {fencing.put_up(place, keeping.wanted())}"
            )
            keeping.write(state)
        elif not settings.ALIGHT_ISOLATION:
            state = keeping.OFF
        else:
            state = keeping.try_ways(_look)
        if not state.fenced and state.way != "off":
            raise CommandError(state.text)
        self.stdout.write(state.text)


def _look(place: fencing.Place) -> str:
    missing = fencing.missing(place, keeping.wanted())
    if missing:
        raise fencing.NotFenced(
            "The rules are not there. The worker puts them up when a replica starts; "
            "manage.py isolation --apply does it now."
        )
    return "as the rules say"
