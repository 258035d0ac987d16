"""What the waiting page on an endpoint's host asks every second (docs/ingress.md)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_GET

from endpoints import sizing
from endpoints.models import Endpoint
from endpoints.views.edge import may_call, on_the_edge
from replicas.fragments.endpoint import waiting_context

# Seconds that everybody who waits for the same endpoint is told the same.
_FRESH = 1


@require_GET
@on_the_edge
def start(request: HttpRequest, name: str) -> JsonResponse:
    """`{"state", "title", "detail", "progress"}`, see replicas/page/starting.py.

    Whoever looks waits: an endpoint that sleeps is woken for them.
    """
    if not may_call(request):
        return _refused(401, "unauthorized", "Only who may call it is told.", name)
    told = cache.get_or_set(f"waiting:{name}", lambda: _told(name), _FRESH)
    if told is None:
        return _refused(404, "unknown", "There is no endpoint of this name.", name)
    return JsonResponse(told)


def _told(name: str) -> dict[str, Any] | None:
    endpoint = Endpoint.objects.select_related("tier").filter(name=name).first()
    if endpoint is None:
        return None
    said = waiting_context(endpoint)["start"]
    if said.state == "idle":
        # The page was a request once: it went to sleep again under those who wait.
        try:
            sizing.wake(endpoint)
        except Endpoint.DoesNotExist:
            return None
    return asdict(said)


def _refused(status: int, code: str, message: str, name: str) -> JsonResponse:
    """In the words and the shape of the ingress (endpoints/ingress/answers.py)."""
    error = {"code": code, "endpoint": name, "message": message}
    return JsonResponse({"error": error}, status=status)
