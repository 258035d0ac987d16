"""Pages for what went wrong: each says what, and what to do next."""

from __future__ import annotations

import logging
import sys
from urllib.parse import quote

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from console import away, space
from endpoints import advice, trail

log = logging.getLogger(__name__)

FULL = "The console’s disk is full"
AWAY = "The console’s database does not answer"
BUSY = "The console’s database is busy"
_BARE = (
    "<!doctype html><title>The console hit a problem</title>"
    "<h1>The console hit a problem</h1><p>Your endpoints keep running; only this "
    "page failed. Reference {reference}: tell it to whoever runs the console.</p>"
)


@login_not_required
def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    context = {
        "title": "There is nothing at this address",
        "text": "The endpoint may have been deleted or renamed, "
        "or the link is cut short.",
        "bubbles": ["slot"] * 3,
    }
    return render(request, "404.html", context, status=404)


@login_not_required
def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    # Who raises PermissionDenied may say whose it is.
    owner = getattr(exception, "owner", "")
    context = {
        "title": "This endpoint belongs to someone else"
        if owner
        else "This is not open to you",
        "text": "Sign in as somebody who may see it.",
        "owner": owner,
        "bubbles": ["stopped"] * 3,
    }
    return render(request, "403.html", context, status=403)


@login_not_required
def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's check of the form's origin failed."""
    log.warning("A form was refused on %s: %s", quote(request.path), reason)
    context = {
        "title": "This form is out of date",
        "text": "You may have signed in or out in another tab. "
        "Go back, reload the page and send the form again.",
        "bubbles": ["stopped"] * 3,
    }
    return render(request, "403.html", context, status=403)


@login_not_required
def broken(request: HttpRequest) -> HttpResponse:
    """Something of ours failed. Neither database nor session is asked for anything."""
    # Outside of our server, as in a test, nobody has named it yet.
    reference = trail.now().request or trail.new_request()
    # Django calls this while it handles the exception.
    failed = sys.exc_info()
    kind, status = _kind(failed[1])
    # Quoted: a path may hold a line's end.
    path = quote(request.path)
    log.error("Reference %s: %s failed", reference, path, exc_info=failed)
    context = {
        "title": _TITLES[kind],
        "kind": kind,
        "full": space.place() if kind == "full" else "",
        "doctor": advice.doctor(),
        "reference": reference,
        "path": request.get_full_path() if request.method == "GET" else request.path,
        "bubbles": ["ready", "failed", "ready"],
    }
    try:
        # Without the request no context processor runs: a lost database is no matter.
        page: str = render_to_string("500.html", context)
    except Exception:
        # What failed may be the frame that this page shares with all others.
        log.exception("Reference %s: its page failed too", reference)
        page = _BARE.format(reference=reference)
    answer = HttpResponse(page, status=status)
    if status == 503:
        answer["Retry-After"] = str(away.AGAIN)
    return answer


_TITLES = {
    "full": FULL,
    "away": AWAY,
    "busy": BUSY,
    "broken": "The console hit a problem",
}


def _kind(error: BaseException | None) -> tuple[str, int]:
    """What failed, and the status that says so."""
    if space.is_full(error):
        return "full", 507
    if away.is_away(error):
        return "away", 503
    if away.is_busy(error):
        return "busy", 503
    return "broken", 500
