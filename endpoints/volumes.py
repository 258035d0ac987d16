"""Volumes of an account: made when an endpoint names one, deleted only on request."""

from __future__ import annotations

from django.conf import settings

from endpoints.models import Endpoint, Revision, Volume


def ensure(owner_id: int, name: str) -> Volume:
    """The account's volume of this name, made when there is none."""
    engine_name = f"alight-{settings.ALIGHT_INSTALLATION}-{owner_id}-{name}"
    found, _ = Volume.objects.get_or_create(
        owner_id=owner_id, name=name, defaults={"engine_name": engine_name}
    )
    return found


def users_of(volume: Volume) -> list[Endpoint]:
    """Endpoints that mount it now, or would with the revision that serves."""
    rows = Endpoint.objects.filter(owner_id=volume.owner_id)
    return [endpoint for endpoint in rows if _mounts(endpoint, volume.name)]


def _mounts(endpoint: Endpoint, name: str) -> bool:
    specs = [endpoint.container]
    alive = Revision.objects.filter(endpoint=endpoint).filter(replicas__isnull=False)
    specs += [r.container for r in alive.exclude(replicas__state="stopped").distinct()]
    return any(spec.volume is not None and spec.volume.name == name for spec in specs)
