"""What every page's frame needs: addresses now, hardware when it is asked for."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from replicas.hardware import Hardware, hardware_for
from replicas.isolation import keeping
from replicas.models import Replica


def shell(request: HttpRequest) -> dict[str, Any]:
    """`hardware`, `image_nodes` and `fence` are read only by pages that show them."""

    def hardware() -> Hardware:
        return hardware_for(request.user.pk)

    return {
        "hardware": SimpleLazyObject(hardware),
        "image_nodes": SimpleLazyObject(image_nodes),
        "fence": SimpleLazyObject(keeping.noted),
        "domain": settings.ALIGHT_DOMAIN,
    }


def image_nodes() -> dict[int, int]:
    """How many nodes have run each template, by its key: their image is there."""
    started = Replica.objects.filter(started_at__isnull=False, node__isnull=False)
    pairs = (
        started.exclude(endpoint__template=None)
        .values_list("endpoint__template_id", "node_id")
        .distinct()
    )
    # Replicas are ordered by default, which would undo the DISTINCT.
    return dict(Counter(key for key, _ in pairs.order_by()))
