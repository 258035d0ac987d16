"""Pages are compressed on their way out."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware


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
