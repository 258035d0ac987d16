"""Write the files HAProxy starts from: its configuration, its maps, its answers."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from endpoints.grants import grants_by_endpoint
from endpoints.ingress.base import IngressFull, Route
from endpoints.ingress.files import CONFIG, write_all
from endpoints.ingress.setup import setup_from_settings
from endpoints.models import Endpoint


class Command(BaseCommand):
    help = "Write HAProxy's configuration and maps into ALIGHT_INGRESS_DIR."

    def handle(self, *args: Any, **options: Any) -> None:
        setup = setup_from_settings()
        try:
            write_all(setup, wanted_routes())
        except IngressFull as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Wrote {setup.folder / CONFIG}")


def wanted_routes() -> list[Route]:
    """Every endpoint, without its replicas: those the worker adds as it sees them."""
    endpoints = list(Endpoint.objects.alive())
    grants = grants_by_endpoint(endpoints)
    return [
        Route(
            name=endpoint.name,
            host=endpoint.host,
            public=endpoint.public,
            state="paused" if endpoint.paused else "starting",
            grants=grants[endpoint.pk],
            hold=endpoint.hold_seconds,
        )
        for endpoint in endpoints
    ]
