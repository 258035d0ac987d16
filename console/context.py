"""What every page's frame needs: addresses now, hardware when it is asked for."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from replicas.hardware import Hardware, hardware_for


def shell(request: HttpRequest) -> dict[str, Any]:
    """`hardware` is read from the database only by pages that show it."""

    def hardware() -> Hardware:
        return hardware_for(request.user.pk)

    return {
        "hardware": SimpleLazyObject(hardware),
        "domain": settings.ALIGHT_DOMAIN,
    }
