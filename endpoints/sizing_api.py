"""The API on how many replicas run: wake, sleep, keep warm, the weekly schedule."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from endpoints import sizing
from endpoints.api import Conflict, find
from endpoints.models import Endpoint
from endpoints.serializers.errors import ErrorSerializer
from endpoints.serializers.sizing import (
    KeepWarmSerializer,
    ScheduleSerializer,
    SizeSerializer,
    shown_schedule,
    shown_size,
    windows_asked,
)

_TAGS = ["scale"]


def _living(request: Request, name: str) -> Endpoint:
    endpoint = find(request, name)
    if endpoint.deleting:
        raise Conflict("This endpoint is being deleted and cannot be changed.")
    return endpoint


class Wake(APIView):
    @extend_schema(
        operation_id="wake",
        summary="Start one replica where none runs",
        request=None,
        responses={
            200: SizeSerializer,
            404: ErrorSerializer,
            409: OpenApiResponse(ErrorSerializer, "It is paused."),
        },
        tags=_TAGS,
    )
    def post(self, request: Request, name: str) -> Response:
        user: Any = request.user
        endpoint = _living(request, name)
        if endpoint.paused:
            raise Conflict('It is paused. Set endpoint_state to "active" to resume it.')
        woken = sizing.wake(endpoint, user.get_username())
        return Response(shown_size(endpoint, changed=woken))


class Sleep(APIView):
    @extend_schema(
        operation_id="sleep",
        summary="Stop its replicas until the next request",
        request=None,
        responses={
            200: SizeSerializer,
            404: ErrorSerializer,
            409: OpenApiResponse(ErrorSerializer, "Something keeps it running."),
        },
        tags=_TAGS,
    )
    def post(self, request: Request, name: str) -> Response:
        user: Any = request.user
        endpoint = _living(request, name)
        try:
            slept = sizing.sleep(endpoint, user.get_username())
        except sizing.StaysAwake as reason:
            raise Conflict(str(reason)) from None
        return Response(shown_size(endpoint, changed=slept))


class KeepWarm(APIView):
    @extend_schema(
        operation_id="keep_warm",
        summary="Run one replica at least until a time",
        request=KeepWarmSerializer,
        responses={200: SizeSerializer, 400: ErrorSerializer, 404: ErrorSerializer},
        tags=_TAGS,
    )
    def post(self, request: Request, name: str) -> Response:
        user: Any = request.user
        endpoint = _living(request, name)
        asked = KeepWarmSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        until = asked.validated_data["moment"]
        changed = endpoint.warm_until != until
        sizing.keep_warm(endpoint, until, user.get_username())
        return Response(shown_size(endpoint, changed=changed))


class Schedule(APIView):
    @extend_schema(
        operation_id="schedule",
        summary="Times of the week with a minimum of their own",
        responses={200: ScheduleSerializer, 404: ErrorSerializer},
        tags=_TAGS,
    )
    def get(self, request: Request, name: str) -> Response:
        return Response(_shown(find(request, name)))

    @extend_schema(
        operation_id="set_schedule",
        summary="Replace the weekly schedule",
        request=ScheduleSerializer,
        responses={
            200: ScheduleSerializer,
            400: ErrorSerializer,
            404: ErrorSerializer,
        },
        tags=_TAGS,
    )
    def put(self, request: Request, name: str) -> Response:
        user: Any = request.user
        endpoint = _living(request, name)
        context = {"most": endpoint.max_replicas}
        asked = ScheduleSerializer(data=request.data, context=context)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        zone = data.get("time_zone", endpoint.schedule_zone)
        sizing.set_schedule(endpoint, windows_asked(data), zone, user.get_username())
        return Response(_shown(endpoint))


def _shown(endpoint: Endpoint) -> dict[str, Any]:
    force = sizing.minimum_of(endpoint, timezone.now())
    return shown_schedule(endpoint, sizing.windows_of(endpoint), force)
