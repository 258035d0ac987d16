"""The API's description (OpenAPI), and the answer for addresses that are not in it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema tells of endpoints.keys.BearerAuthentication."""

    target_class = "endpoints.keys.BearerAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of the Tokens page.",
        }


class Schema(SpectacularAPIView):
    """JSON; YAML for who asks for it by `accept` or `?format=yaml`."""

    authentication_classes = []
    permission_classes = [AllowAny]
    renderer_classes = [
        OpenApiJsonRenderer2,
        OpenApiJsonRenderer,
        OpenApiYamlRenderer2,
        OpenApiYamlRenderer,
    ]


class Nothing(APIView):
    """Any other address below the API's root."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(exclude=True)
    def get(self, request: Request, rest: str) -> Response:
        hint = " Leave off the slash at its end." if rest.endswith("/") else ""
        raise NotFound(f"There is nothing at this address.{hint} See /v1/schema.")

    post = put = patch = delete = get


def tell_refusals(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Every call can be refused, for many reasons and in one shape: what it says of
    none in particular is this. A hook of drf-spectacular."""
    refused = {
        "description": "Refused; the code says why.",
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Error"}}
        },
    }
    for methods in result["paths"].values():
        for operation in methods.values():
            operation["responses"].setdefault("default", refused)
    return result
