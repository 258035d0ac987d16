"""Where a private endpoint's host sends a browser: to the console, and back."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from endpoints import passes
from endpoints.models import Endpoint
from endpoints.views.person import person


@require_GET
@never_cache
def hand_over(request: HttpRequest, name: str) -> HttpResponse:
    """Send a person who may see the endpoint back to it with a ticket.

    Straight after a sign-in by a page in between: browsers do not let a form lead to
    another host, and the console's policy names its own alone.
    """
    who = person(request)
    seen = Endpoint.objects.visible_to(who).alive()
    endpoint = get_object_or_404(seen, name=name)
    to = passes.own_path(request.GET.get("to", ""))
    browser = passes.browser_of(request)
    until = request.session.get_expiry_date()
    ticket = passes.hand_over(endpoint, who, browser, until)
    query = urlencode({"ticket": ticket, "to": to})
    target = f"{endpoint.url}/-/alight/enter?{query}"
    if "signed-in" in request.GET:
        context = {"endpoint": endpoint, "target": target}
        response = render(request, "endpoints/hand_over.html", context)
    else:
        response = redirect(target)
    response["Referrer-Policy"] = "no-referrer"
    return response
