"""The API on revisions: what an endpoint was asked to run, and going back to it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from endpoints import revisions
from endpoints.api import Conflict, find
from endpoints.models import Endpoint
from endpoints.serializers.errors import ErrorSerializer
from replicas import fragments


class RevisionSerializer(serializers.Serializer[Any]):
    """One container with its hardware. `state` says what became of it."""

    revision = serializers.IntegerField()
    state = serializers.ChoiceField(
        choices=("in_use", "rolling_out", "failed", "earlier")
    )
    why = serializers.CharField(help_text="Why it did not become ready.")
    changed = serializers.CharField(help_text="What it changed, in a line.")
    image_url = serializers.CharField()
    instance_type = serializers.CharField()
    actor = serializers.CharField(help_text="Who made it; empty for the console.")
    created_at = serializers.DateTimeField()


def shown(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {
            "revision": row.number,
            "state": line.state,
            "why": line.why,
            "changed": line.what,
            "image_url": row.spec["image"],
            "instance_type": row.tier_id,
            "actor": row.actor,
            "created_at": row.created_at,
        }
        for row, line in fragments.revision_lines(endpoint)
    ]


class Revisions(APIView):
    @extend_schema(
        operation_id="revisions",
        summary="Every container it was asked to run, newest first",
        responses={200: RevisionSerializer(many=True), 404: ErrorSerializer},
        tags=["revisions"],
    )
    def get(self, request: Request, name: str) -> Response:
        return Response(RevisionSerializer(shown(find(request, name)), many=True).data)


class RollBack(APIView):
    @extend_schema(
        operation_id="roll_back",
        summary="Run this revision again; the one that failed gets another chance",
        request=None,
        responses={
            200: RevisionSerializer(many=True),
            404: ErrorSerializer,
            409: OpenApiResponse(ErrorSerializer, "It is being deleted."),
        },
        tags=["revisions"],
    )
    def post(self, request: Request, name: str, revision: int) -> Response:
        user: Any = request.user
        endpoint = find(request, name)
        if endpoint.deleting:
            raise Conflict("This endpoint is being deleted and cannot be changed.")
        actor = user.get_username()
        try:
            if not revisions.roll_back(endpoint, revision, actor):
                revisions.try_again(endpoint, actor)
        except revisions.NoSuchRevision:
            raise NotFound(f"{endpoint.name} has no revision {revision}.") from None
        endpoint.refresh_from_db()
        return Response(RevisionSerializer(shown(endpoint), many=True).data)
