"""The API on what is wanted and told: accounts, events, what is open to everyone."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException, NotFound
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from endpoints.feed import EventFeed
from endpoints.models import AccessKey, Endpoint, EndpointQuerySet
from endpoints.ndjson import NdjsonRenderer, ndjson
from endpoints.serializers.endpoint import account_key
from endpoints.serializers.events import (
    AccountSerializer,
    EventQuery,
    EventSerializer,
    PublicEndpointSerializer,
    events_after,
    shown_event,
)
from endpoints.states import Phase


class Conflict(APIException):
    """It cannot be done as things are now; the text says what to do."""

    status_code = 409
    default_code = "conflict"


class NameTakenConflict(Conflict):
    default_code = "name_taken"


def visible(request: Request) -> EndpointQuerySet:
    """The endpoints of this caller; all for a superuser."""
    return Endpoint.objects.visible_to(request.user)


def find(request: Request, name: str) -> Endpoint:
    """The endpoint of this name. Raises NotFound also for someone else's."""
    endpoint = visible(request).select_related("tier").filter(name=name).first()
    if endpoint is None:
        raise NotFound(f'You have no endpoint "{name[:60]}".')
    return endpoint


def query(serializer: type[Any], request: Request) -> dict[str, Any]:
    """The query string's values, checked. Raises ValidationError."""
    asked = request.query_params.dict()
    asked.pop("format", None)  # the framework's own
    checked = serializer(data=asked)
    checked.is_valid(raise_exception=True)
    values: dict[str, Any] = checked.validated_data
    return values


def token_of(request: Request) -> AccessKey | None:
    """The token it was sent with; None for a session."""
    return request.auth if isinstance(request.auth, AccessKey) else None


class Events(APIView):
    @extend_schema(
        operation_id="events",
        summary="An endpoint's events, oldest first",
        parameters=[EventQuery],
        responses=EventSerializer(many=True),
        tags=["events"],
    )
    def get(self, request: Request, name: str) -> Response:
        asked = query(EventQuery, request)
        events = events_after(find(request, name), **asked)
        return Response([shown_event(event) for event in events])


class EventStream(APIView):
    """The story so far, then each event as it happens, one JSON object a line."""

    http_method_names = ["get", "options"]
    renderer_classes = [JSONRenderer, NdjsonRenderer]

    @extend_schema(
        operation_id="events_stream",
        summary="Events as they happen, one JSON object a line",
        parameters=[EventQuery],
        responses={(200, "application/x-ndjson"): EventSerializer},
        tags=["events"],
    )
    def get(self, request: Request, name: str) -> Any:
        asked = query(EventQuery, request)
        endpoint = find(request, name)
        feed = EventFeed(endpoint, request.user, token_of(request), **asked)
        return ndjson(feed.items())


class Account(APIView):
    @extend_schema(
        operation_id="account",
        summary="Who is calling",
        responses=AccountSerializer,
        tags=["account"],
    )
    def get(self, request: Request) -> Response:
        user: Any = request.user
        return Response(
            {
                "account_key": account_key(user.pk),
                "name": user.get_username(),
                "email": user.email,
                "admin": user.is_superuser,
            }
        )


class PublicEndpoints(APIView):
    """Templates that are live: what this installation's admins run for everyone."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="public_endpoints",
        summary="Templates that are live, open to everyone",
        responses=PublicEndpointSerializer(many=True),
        auth=[],
        tags=["endpoints"],
    )
    def get(self, request: Request) -> Response:
        live = Endpoint.objects.alive().filter(
            public=True,
            paused=False,
            phase=Phase.READY,
            owner__is_superuser=True,
            owner__is_active=True,
            template__retired=False,
            template__owner=None,
        )
        return Response(
            [
                {"name": e.name, "endpoint": e.url, "template": e.template_name}
                for e in live
            ]
        )
