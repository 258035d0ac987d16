"""Who asks, for which endpoint, and where they go back to."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import trigger_client_event

from endpoints.models import Endpoint


class Request(HttpRequest):
    """Only signed-in people come this far (LoginRequiredMiddleware)."""

    user: AbstractBaseUser  # type: ignore[assignment]  # never anonymous
    htmx: Any


def endpoint_of(request: Request, name: str) -> Endpoint:
    """The endpoint of this name, or 404 when it is not theirs to see."""
    rows = Endpoint.objects.visible_to(request.user).select_related("tier", "template")
    return get_object_or_404(rows, name=name)


def back(request: Request, endpoint: Endpoint) -> HttpResponse:
    """To where the button was: the list says `next`, else the endpoint's page.

    With htmx the page stays: its socket shows the change, the drawer stays open.
    """
    if request.htmx:
        said = [str(message) for message in messages.get_messages(request)]
        stays = HttpResponse(status=204)
        return trigger_client_event(stays, "said", {"texts": said})
    target = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts=None):
        target = endpoint.get_absolute_url()
    return redirect(target)


def whole(text: str) -> int | None:
    """The number that was typed, if it is one that can be meant."""
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None
