"""The API on who may call: tokens of the account, links to one endpoint."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from endpoints import keys, sharing
from endpoints.api import Conflict, find
from endpoints.models import AccessKey, ShareLink
from endpoints.serializers.access import (
    NewShareLinkSerializer,
    NewTokenSerializer,
    ShareLinkSerializer,
    TokenSerializer,
    shown_link,
    shown_token,
)
from endpoints.serializers.errors import ErrorSerializer


class Tokens(APIView):
    @extend_schema(
        operation_id="tokens",
        summary="Your tokens that are not revoked, newest first",
        responses=TokenSerializer(many=True),
        tags=["tokens"],
    )
    def get(self, request: Request) -> Response:
        user: Any = request.user
        rows = AccessKey.objects.filter(owner_id=user.pk, revoked_at=None)
        return Response([shown_token(k) for k in rows.prefetch_related("endpoints")])

    @extend_schema(
        operation_id="create_token",
        summary="Make a token; its text is in this answer only",
        request=TokenSerializer,
        responses={201: NewTokenSerializer, 400: ErrorSerializer},
        tags=["tokens"],
    )
    def post(self, request: Request) -> Response:
        user: Any = request.user
        asked = TokenSerializer(data=request.data, context={"owner": user})
        asked.is_valid(raise_exception=True)
        key, token = keys.make_token(user, **asked.validated_data)
        return Response(shown_token(key, token), status=status.HTTP_201_CREATED)


class TokenDetail(APIView):
    @extend_schema(
        operation_id="revoke_token",
        summary="Requests with it are refused from now on",
        responses={204: None, 404: ErrorSerializer},
        tags=["tokens"],
    )
    def delete(self, request: Request, key_id: int) -> Response:
        user: Any = request.user
        rows = AccessKey.objects.filter(owner_id=user.pk, revoked_at=None)
        key = rows.filter(pk=key_id).first()
        if key is None:
            raise NotFound(f"You have no token {key_id}.")
        keys.revoke(key)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ShareLinks(APIView):
    @extend_schema(
        operation_id="share_links",
        summary="The links that open an endpoint now, newest first",
        responses={200: ShareLinkSerializer(many=True), 404: ErrorSerializer},
        tags=["share links"],
    )
    def get(self, request: Request, name: str) -> Response:
        links = ShareLink.objects.usable().filter(endpoint=find(request, name))
        return Response([shown_link(link) for link in links])

    @extend_schema(
        operation_id="create_share_link",
        summary="Make a link for whoever has it; its address is in this answer only",
        request=ShareLinkSerializer,
        responses={
            201: NewShareLinkSerializer,
            400: ErrorSerializer,
            404: ErrorSerializer,
        },
        tags=["share links"],
    )
    def post(self, request: Request, name: str) -> Response:
        user: Any = request.user
        endpoint = find(request, name)
        if endpoint.deleting:
            raise Conflict("This endpoint is being deleted and cannot be shared.")
        asked = ShareLinkSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        link, url = sharing.share(endpoint, user, **asked.validated_data)
        return Response(shown_link(link, url), status=status.HTTP_201_CREATED)


class ShareLinkDetail(APIView):
    @extend_schema(
        operation_id="revoke_share_link",
        summary="Nobody comes in by it any more",
        responses={204: None, 404: ErrorSerializer},
        tags=["share links"],
    )
    def delete(self, request: Request, name: str, link_id: int) -> Response:
        user: Any = request.user
        links = ShareLink.objects.usable().filter(endpoint=find(request, name))
        link = links.select_related("endpoint").filter(pk=link_id).first()
        if link is None:
            raise NotFound(f"There is no share link {link_id}.")
        sharing.unshare(link, user.get_username())
        return Response(status=status.HTTP_204_NO_CONTENT)
