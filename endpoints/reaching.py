"""How this machine's own processes call endpoints: at the ingress, as clients do."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings

from endpoints.models import Endpoint

# About one connection, or for whoever sends to say: never handed on.
NOT_HANDED_ON = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Goes with a pass, which the ingress does not take from pages of other hosts: what is
# handed on may say that it came from one.
OWN_PAGE = ("Sec-Fetch-Site", "same-origin")
# Bytes of the body of a request that is answered later.
BODY_MAX = 10 * 1024 * 1024
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "::": "::1"}  # noqa: S104


def ingress_url() -> str:
    """Where the ingress itself listens, also if https stands before it; no slash."""
    binds = settings.ALIGHT_BIND
    address = next((one for one in binds if ":" not in one), binds[0])
    address = _EVERYWHERE.get(address, address)
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{settings.ALIGHT_PORT}"


def host_header(endpoint: Endpoint) -> str:
    """As its clients send it."""
    return urlsplit(endpoint.url).netloc


def pass_cookie(value: str) -> str:
    """The Cookie header that shows a pass."""
    return f"{settings.ALIGHT_PASS_COOKIE}={value}"
