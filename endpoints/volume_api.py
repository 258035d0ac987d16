"""The API on volumes: what the caller has, and deleting one."""

from __future__ import annotations

import contextlib
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from endpoints import volumes, worker
from endpoints.api import Conflict
from endpoints.models import Volume, VolumeQuerySet
from endpoints.serializers.errors import ErrorSerializer
from endpoints.serializers.volumes import VolumeSerializer, shown_volume

# Seconds that an answer waits for sizes; the worker goes on without it.
_PATIENCE = 3.0


def _mine(request: Request) -> VolumeQuerySet:
    return Volume.objects.filter(owner_id=request.user.pk)


class Volumes(APIView):
    @extend_schema(
        operation_id="volumes",
        summary="Your volumes",
        responses=VolumeSerializer(many=True),
        tags=["volumes"],
    )
    def get(self, request: Request) -> Response:
        user: Any = request.user
        if any(volumes.is_stale(row) for row in _mine(request)):
            # Without the worker the sizes are those of an earlier time.
            with contextlib.suppress(worker.WorkerAway, worker.WorkerRefused):
                worker.measure_volumes(user.pk, seconds=_PATIENCE)
        users = volumes.users_by_name(user.pk)
        return Response(
            [
                shown_volume(row, [] if row.deleting else users.get(row.name, []))
                for row in _mine(request)
            ]
        )


class VolumeDetail(APIView):
    @extend_schema(
        operation_id="delete_volume",
        summary="Delete it with all its files",
        responses={
            204: None,
            404: ErrorSerializer,
            409: OpenApiResponse(ErrorSerializer, "An endpoint uses it."),
        },
        tags=["volumes"],
    )
    def delete(self, request: Request, name: str) -> Response:
        # One that is on its way out can be asked for again.
        row = _mine(request).filter(name=name).order_by("deleting", "-id").first()
        if row is None:
            raise NotFound(f'You have no volume "{name[:60]}".')
        try:
            volumes.delete(row)
        except volumes.VolumeInUse as error:
            raise Conflict(str(error)) from None
        return Response(status=status.HTTP_204_NO_CONTENT)
