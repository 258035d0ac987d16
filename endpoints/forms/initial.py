"""What the endpoint's form shows first.

Times are minutes there; `idle_seconds` and the like are the exact ones.
"""

from __future__ import annotations

from typing import Any

from endpoints.forms.account import PLAIN_VOLUME, Account
from endpoints.forms.fields import minutes_of
from endpoints.models import Endpoint
from endpoints.services import Wish
from templates_app.models import Template, Tier
from templates_app.spec import ContainerSpec

DEFAULT_MOUNT = "/data"
DEFAULT_PORT = 8080


def of_template(template: Template, account: Account) -> dict[str, Any]:
    """As the template suggests; its volume waits to be opted into."""
    spec = template.container
    return {
        **_container(spec),
        **_offered_volume(spec, account),
        **_times(template.idle_timeout, template.start_timeout, Wish.hold_seconds),
        "tier": template.tier_id,
        "min_replicas": template.min_replicas,
        "max_replicas": template.max_replicas,
        "public": template.public,
        "concurrency": template.concurrency,
        "registry": spec.registry if account.has_sign_in(spec.registry) else "",
    }


def own(account: Account) -> dict[str, Any]:
    """For a container of one's own."""
    smallest = Tier.objects.first()
    spec = ContainerSpec(image="", port=DEFAULT_PORT)
    return {
        **_container(spec),
        **_offered_volume(spec, account),
        **_times(Wish.idle_timeout, Wish.start_timeout, Wish.hold_seconds),
        "tier": smallest.slug if smallest else None,
        "min_replicas": 1,
        "max_replicas": 1,
        "concurrency": Wish.concurrency,
    }


def of_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """Just as it is, for changing it."""
    spec = endpoint.container
    volume = spec.volume
    return {
        **_container(spec),
        **_times(endpoint.idle_timeout, endpoint.start_timeout, endpoint.hold_seconds),
        "volume": volume is not None,
        "volume_name": volume.name if volume else PLAIN_VOLUME,
        "mount": volume.mount if volume else DEFAULT_MOUNT,
        "tier": endpoint.tier_id,
        "min_replicas": endpoint.min_replicas,
        "max_replicas": endpoint.max_replicas,
        "public": endpoint.public,
        "concurrency": endpoint.concurrency,
        "registry": spec.registry,
    }


def like_endpoint(endpoint: Endpoint, account: Account) -> dict[str, Any]:
    """For another one like it; its files are shared only when somebody says so."""
    return of_endpoint(endpoint) | {
        "volume": False,
        **_offered_volume(endpoint.container, account),
    }


def _container(spec: ContainerSpec) -> dict[str, Any]:
    return {
        "image": spec.image,
        "port": spec.port,
        "health_path": spec.health_path,
        "command": spec.command,
        "args": spec.args,
        "secrets": spec.secrets,
    }


def _offered_volume(spec: ContainerSpec, account: Account) -> dict[str, Any]:
    volume = spec.volume
    return {
        "volume_name": account.free_volume_name(
            volume.name if volume else PLAIN_VOLUME
        ),
        "mount": volume.mount if volume else DEFAULT_MOUNT,
    }


def _times(idle: int, startup: int, hold: int) -> dict[str, Any]:
    return {
        "idle": minutes_of(idle),
        "idle_seconds": idle,
        "startup": minutes_of(startup),
        "startup_seconds": startup,
        "hold": minutes_of(hold),
        "hold_seconds": hold,
    }
