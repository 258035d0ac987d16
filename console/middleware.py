"""On their way out pages are compressed, answers get headers of ours, and long ones
let go of the database; what went meanwhile is not found."""

from __future__ import annotations

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections
from django.http import Http404, HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.deprecation import MiddlewareMixin

from endpoints.models import Endpoint


class CompressPages(GZipMiddleware):
    """Django's compression, for whole HTML pages only.

    Streams stay as they are: compressing would hold their lines back. What a page
    keeps to itself does not show in its length (BREACH): the CSRF token is masked
    anew each time, sealed secrets are sealed anew, a token's text is in one answer
    only, and Django pads each answer by up to 100 bytes at random.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        html = response.headers.get("Content-Type", "").startswith("text/html")
        if response.streaming or not html:
            return response
        return super().process_response(request, response)


class LetGo(MiddlewareMixin):
    """A long answer keeps no connection to the database while it is sent: what it
    asks later it asks with one of its own."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        # There the request has a thread of its own, and that has the connection.
        if response.streaming and isinstance(request, ASGIRequest):
            close_old_connections()
        return response


class GoneMeanwhile(MiddlewareMixin):
    """An endpoint that went while somebody worked on it is not there, as if they had
    come later. The API says so by itself (console.api)."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        if isinstance(exception, Endpoint.DoesNotExist):
            raise Http404 from exception


class OwnHeaders(MiddlewareMixin):
    """What Django has no setting for: our pages use none of a browser's devices, and
    no other site, an endpoint's page included, takes our answers into itself."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        response.setdefault("Permissions-Policy", settings.ALIGHT_PERMISSIONS_POLICY)
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response
