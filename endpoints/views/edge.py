"""What the console answers on an endpoint's own host, below /-/alight/.

The ingress leads such requests here and says for whom: X-Alight-Endpoint has the name,
X-Alight-Grant the digest of what the caller showed, or "public"; clients cannot send
either. Neither the console's session nor its static files are to be had on that host.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.encoding import iri_to_uri
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET

from endpoints import passes, sharing
from endpoints.ingress.answers import (
    ANSWERS,
    Answer,
    as_json,
    as_page,
    content_security_policy,
)
from endpoints.ingress.setup import setup_from_settings

View = Callable[..., HttpResponseBase]

# Says that the cookie was given by the answer before.
_GIVEN = "given"

LINK_ENDED = Answer(
    "link_ended",
    410,
    "This link does not open any more",
    "It expired, was revoked, or was cut short. Ask whoever sent it for a new one.",
)
NOT_KEPT = Answer(
    "no_cookie",
    403,
    "Your browser keeps no cookie here",
    "This endpoint is private, and a cookie of this address lets you in. Allow cookies"
    " for it, then open the endpoint again.",
)
NOTHING = next(answer for answer in ANSWERS if answer.code == "unknown")


def name_asked(request: HttpRequest) -> str:
    """The endpoint on whose host this is asked. Raises Http404 on any other host."""
    name = request.headers.get("X-Alight-Endpoint", "")
    if not name:
        raise Http404
    return name


def may_call(request: HttpRequest) -> bool:
    """Whether the ingress would let this caller through to the endpoint."""
    return "X-Alight-Grant" in request.headers


def on_the_edge(view: View) -> View:
    """For views on endpoints' hosts: `view(request, name, …)`; kept by nobody.

    Who asks is said by the ingress, not by the console's session: there is no form of
    ours whose origin could be checked, and the pass is not sent from other sites.
    """

    @csrf_exempt
    @login_not_required
    @wraps(view)
    def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, name_asked(request), *args, **kwargs)
        add_never_cache_headers(response)
        # The address may have a secret in it.
        response["Referrer-Policy"] = "no-referrer"
        return response

    return asked


def say(request: HttpRequest, answer: Answer, name: str) -> HttpResponse:
    """As the ingress would: a page that needs nothing else, or JSON."""
    if "text/html" in request.headers.get("Accept", ""):
        page = as_page(answer, setup_from_settings().console_url, name)
        response = HttpResponse(page, status=answer.status)
        response["Content-Security-Policy"] = content_security_policy()
        return response
    said = as_json(answer, name)
    return HttpResponse(said, status=answer.status, content_type="application/json")


@require_GET
@on_the_edge
def enter(request: HttpRequest, name: str) -> HttpResponse:
    """Take the ticket, give the cookie, and go on to where the browser wanted to go.

    By this address once more: who comes without the cookie then does not keep it, and
    would be sent round for ever.
    """
    to = passes.own_path(request.GET.get("to", ""))
    if may_call(request):
        # Back and reload ask again with a ticket that was taken.
        return _go(to)
    if _GIVEN in request.GET:
        return say(request, NOT_KEPT, name)
    admission = passes.redeem(name, request.GET.get("ticket", ""))
    if admission is None:
        asked = urlencode({"to": to})
        over = reverse("endpoints:hand_over", args=[name]).removeprefix("/")
        return _go(f"{setup_from_settings().console_url}{over}?{asked}")
    return _let_in(to, admission)


@require_GET
@on_the_edge
def follow(request: HttpRequest, name: str, secret: str) -> HttpResponse:
    """A share link. Who may call already keeps what they show."""
    admission = sharing.follow(name, secret)
    if admission is None:
        return say(request, LINK_ENDED, name)
    to = passes.own_path(request.GET.get("to", ""))
    shown = request.headers.get("X-Alight-Grant", "public")
    return _go(to) if shown != "public" else _let_in(to, admission)


@on_the_edge
def nothing(request: HttpRequest, name: str, rest: str) -> HttpResponse:
    """Any other address: the console's own page would ask this host for its parts."""
    return say(request, NOTHING, name)


def _go(to: str) -> HttpResponse:
    return HttpResponseRedirect(iri_to_uri(to))


def _let_in(to: str, admission: passes.Admission) -> HttpResponse:
    """With a cookie of this host alone: no Domain."""
    response = _go(f"/-/alight/enter?{urlencode({'to': to, _GIVEN: 1})}")
    response.set_cookie(
        settings.ALIGHT_PASS_COOKIE,
        admission.cookie,
        expires=admission.until,
        path="/",
        secure=settings.ALIGHT_SCHEME == "https",
        httponly=True,
        samesite="Lax",
    )
    return response
