"""Write the files HAProxy starts from: its configuration, its maps, its answers."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from endpoints.ingress.base import IngressFull, Route
from endpoints.ingress.files import CONFIG, write_all
from endpoints.ingress.setup import setup_from_settings
from endpoints.models import AccessKey, Endpoint


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
    tokens: defaultdict[int, list[str]] = defaultdict(list)
    active = AccessKey.objects.filter(revoked_at=None, owner__is_active=True)
    for owner, digest in active.values_list("owner_id", "digest"):
        tokens[owner].append(digest)
    return [
        Route(
            name=endpoint.name,
            host=endpoint.host,
            public=endpoint.public,
            state="paused" if endpoint.paused else "starting",
            tokens=tuple(sorted(tokens[endpoint.owner_id])),
        )
        for endpoint in Endpoint.objects.alive().only(
            "name", "owner", "public", "paused"
        )
    ]
