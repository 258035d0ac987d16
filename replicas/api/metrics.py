"""The API on what an endpoint did: its series, and all of them for Prometheus."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from endpoints.api import find, query
from endpoints.keys import BearerAuthentication
from endpoints.serializers.errors import ErrorSerializer
from endpoints.serializers.fields import WordField
from replicas.metrics import snapshot, store
from replicas.metrics.exposition import CLASSES, render
from replicas.metrics.series import Series

# Seconds, by what people say.
RANGES = {
    "1h": 3600,
    "6h": 6 * 3600,
    "24h": 24 * 3600,
    "7d": 7 * 86400,
    "30d": 30 * 86400,
}


class MetricsQuery(serializers.Serializer[Any]):
    range = WordField(
        *RANGES,
        default="1h",
        help_text="How far back: in spans of 10 s, a minute (6h, 24h) or 15 minutes.",
    )


def _numbers(text: str) -> serializers.ListField:
    number = serializers.FloatField(allow_null=True)
    return serializers.ListField(child=number, help_text=text)


class StartSerializer(serializers.Serializer[Any]):
    """A replica that became ready."""

    at = serializers.DateTimeField()
    seconds = serializers.FloatField(help_text="From the wish to its first answer.")
    replica = serializers.IntegerField(help_text="Its number.")
    cold = serializers.BooleanField(help_text="No other one was ready.")


@extend_schema_field({"type": "object", "additionalProperties": {"type": "array"}})
class _Columns(serializers.DictField):
    """Lists of numbers by name."""


class MetricsSerializer(serializers.Serializer[Any]):
    """One number for each span, oldest first; null where nothing is known."""

    endpoint = serializers.CharField()
    range = serializers.ChoiceField(choices=list(RANGES))
    begin = serializers.DateTimeField(help_text="Of the first span.")
    end = serializers.DateTimeField()
    step = serializers.IntegerField(help_text="Seconds of each span.")
    seconds = _numbers("Seconds of the span that are known.")
    requests = _numbers("Requests that began.")
    responses = _Columns(help_text="Answers by class: 1xx, 2xx, 3xx, 4xx, 5xx.")
    p50 = _numbers("Seconds within which half of the answers came.")
    p95 = _numbers("Seconds within which 95 in 100 answers came.")
    held = _numbers("Requests that waited for a replica to start.")
    in_flight = _numbers("Open requests, those in line included: the mean.")
    in_flight_most = _numbers("The most at once.")
    queued = _numbers("Requests in line for a place at a replica: the mean.")
    queued_most = _numbers("The most at once.")
    replicas = _numbers("Ready replicas: the mean.")
    cpu_cores = _numbers("Cores in use, all replicas together.")
    cpu_cores_limit = _numbers("Cores they may use.")
    memory_bytes = _numbers("Bytes of memory in use.")
    memory_limit_bytes = _numbers("Bytes they may use.")
    received_bytes = _numbers("Bytes received a second.")
    sent_bytes = _numbers("Bytes sent a second.")
    gpu_busy = _numbers("Share of the time its GPUs worked, 0 to 1.")
    gpu_memory_bytes = _numbers("Bytes of GPU memory in use.")
    gpu_memory_limit_bytes = _numbers("Bytes of memory its GPUs have.")
    starts = StartSerializer(many=True)


def shown(name: str, span: str, series: Series) -> dict[str, Any]:
    """The body; numbers are rounded to what they are worth."""
    column = series.column
    return {
        "endpoint": name,
        "range": span,
        "begin": series.begin,
        "end": series.end,
        "step": series.step,
        "seconds": column(lambda p: round(p.seconds, 1)),
        "requests": column(lambda p: p.requests),
        "responses": {
            kind: column(lambda p, index=index: p.classes[index])  # type: ignore[misc]
            for index, kind in enumerate(CLASSES)
        },
        "p50": column(lambda p: _rounded(p.p50, 4)),
        "p95": column(lambda p: _rounded(p.p95, 4)),
        "held": column(lambda p: p.held),
        "in_flight": column(lambda p: round(p.in_flight.mean, 2)),
        "in_flight_most": column(lambda p: p.in_flight.most),
        "queued": column(lambda p: round(p.queued.mean, 2)),
        "queued_most": column(lambda p: p.queued.most),
        "replicas": column(lambda p: round(p.ready.mean, 2)),
        **_used(series),
        "starts": [
            {
                "at": datetime.fromtimestamp(start.at, UTC),
                "seconds": start.seconds,
                "replica": start.number,
                "cold": start.cold,
            }
            for point in series.known
            for start in point.starts
        ],
    }


def _used(series: Series) -> dict[str, Any]:
    column = series.column
    return {
        "cpu_cores": column(lambda p: round(p.cores, 3)),
        "cpu_cores_limit": column(lambda p: round(p.cores_limit, 2)),
        "memory_bytes": column(lambda p: round(p.memory)),
        "memory_limit_bytes": column(lambda p: round(p.memory_limit)),
        "received_bytes": column(lambda p: round(p.received)),
        "sent_bytes": column(lambda p: round(p.sent)),
        "gpu_busy": column(lambda p: _rounded(p.gpu, 4)),
        "gpu_memory_bytes": column(lambda p: _rounded(p.gpu_memory, 0)),
        "gpu_memory_limit_bytes": column(lambda p: _rounded(p.gpu_memory_limit, 0)),
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


class Metrics(APIView):
    @extend_schema(
        operation_id="metrics",
        summary="What an endpoint did: requests, times, replicas, use",
        parameters=[MetricsQuery],
        responses={200: MetricsSerializer, 404: ErrorSerializer},
        tags=["metrics"],
    )
    def get(self, request: Request, name: str) -> Response:
        span = query(MetricsQuery, request)["range"]
        endpoint = find(request, name)
        series = store.read(endpoint.pk, RANGES[span], timezone.now())
        return Response(shown(endpoint.name, span, series))


class ScrapeToken(BaseAuthentication):
    """`Authorization: Bearer` with the setting ALIGHT_METRICS_TOKEN."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, str] | None:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        for token in settings.ALIGHT_METRICS_TOKEN:
            if hmac.compare_digest(shown.encode(), token.encode()):
                return AnonymousUser(), "metrics"
        return None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class SeesEverything(BasePermission):
    message = (
        "Everybody's endpoints are told here. Ask as a superuser, with a superuser's "
        "token, or with the one in ALIGHT_METRICS_TOKEN."
    )

    def has_permission(self, request: Request, view: APIView) -> bool:
        by_setting = request.auth == "metrics"
        return by_setting or bool(getattr(request.user, "is_superuser", False))


class Prometheus(APIView):
    """All endpoints' counters in Prometheus's text format."""

    authentication_classes = [ScrapeToken, BearerAuthentication, SessionAuthentication]
    permission_classes = [SeesEverything]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        seen = snapshot.read(timezone.now().timestamp())
        return HttpResponse(render(seen), content_type=CONTENT_TYPE_LATEST)
