"""The endpoints list, an endpoint's homepage, and what can be done there."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from endpoints import live, rules, services
from endpoints.models import Endpoint
from replicas import fragments
from replicas import services as replica_services
from replicas.logs import store
from replicas.models import Replica
from replicas.news import current


class Request(HttpRequest):
    """Only signed-in people come this far (LoginRequiredMiddleware)."""

    user: AbstractBaseUser  # type: ignore[assignment]  # never anonymous
    htmx: Any


def _endpoint(request: Request, name: str) -> Endpoint:
    """The endpoint of this name, or 404 when it is not theirs to see."""
    rows = Endpoint.objects.visible_to(request.user).select_related("tier", "template")
    return get_object_or_404(rows, name=name)


def _back(request: Request, endpoint: Endpoint) -> HttpResponse:
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


def _whole(text: str) -> int | None:
    """The number that was typed, if it is one that can be meant."""
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


@require_GET
def endpoint_list(request: Request) -> HttpResponse:
    topics = [live.owner_topic(request.user.pk), live.HARDWARE_TOPIC]
    # Read before the rows: what the page shows is at least as new as these.
    seqs = current(topics)
    rows = Endpoint.objects.visible_to(request.user).select_related("tier", "template")
    context = fragments.list_context(list(rows))
    return render(
        request, "replicas/list.html", {**context, "seqs_json": json.dumps(seqs)}
    )


@require_GET
def endpoint_page(request: Request, name: str) -> HttpResponse:
    endpoint = _endpoint(request, name)
    seqs = current([live.endpoint_topic(endpoint.pk), live.HARDWARE_TOPIC])
    endpoint.refresh_from_db()
    context = fragments.endpoint_context(endpoint, replica_id=None)
    hints = [asdict(hint) for hint in endpoint.container.hints]
    context |= {"seqs_json": json.dumps(seqs), "hints_json": json.dumps(hints)}
    return render(request, "replicas/endpoint.html", context)


@require_GET
def replica_page(request: Request, name: str, replica_id: int) -> HttpResponse:
    """The dialog's fragment for scripts, a page of its own without them."""
    endpoint = _endpoint(request, name)
    get_object_or_404(Replica, endpoint=endpoint, pk=replica_id)
    context = fragments.endpoint_context(endpoint, replica_id=replica_id)
    fragment = request.htmx or "fragment" in request.GET
    template = "replicas/dialog.html" if fragment else "replicas/replica.html"
    return render(request, template, context)


@require_GET
def logs(request: Request, name: str) -> StreamingHttpResponse:
    """Every line of every replica, as plain text."""
    endpoint = _endpoint(request, name)
    response = StreamingHttpResponse(
        store.text_stream(endpoint.pk), content_type="text/plain; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="{endpoint.name}.log"'
    return response


@require_POST
def pause(request: Request, name: str) -> HttpResponse:
    endpoint = _endpoint(request, name)
    services.pause(endpoint, request.user.get_username())
    return _back(request, endpoint)


@require_POST
def resume(request: Request, name: str) -> HttpResponse:
    endpoint = _endpoint(request, name)
    services.resume(endpoint, request.user.get_username())
    return _back(request, endpoint)


@require_POST
def restart(request: Request, name: str) -> HttpResponse:
    """One replica (`replica` is its id), or all of them."""
    endpoint = _endpoint(request, name)
    chosen = endpoint.replicas.alive()
    if "replica" in request.POST:
        replica_id = _whole(request.POST["replica"])
        if replica_id is None:
            return HttpResponse("Name a replica by its number.", status=400)
        chosen = chosen.filter(pk=replica_id)
    asked = [r for r in chosen if replica_services.restart(r, request.user)]
    if asked:
        named = " and ".join(f"Replica {replica.number}" for replica in asked)
        messages.success(request, f"Restarting {named}")
    return _back(request, endpoint)


@require_POST
def access(request: Request, name: str) -> HttpResponse:
    """Public when `public` is "on", else private."""
    endpoint = _endpoint(request, name)
    public = request.POST.get("public") == "on"
    services.change(endpoint, request.user.get_username(), public=public)
    return _back(request, endpoint)


@require_http_methods(["GET", "POST"])
def scale(request: Request, name: str) -> HttpResponse:
    endpoint = _endpoint(request, name)
    asked = {
        "min": request.POST.get("min", str(endpoint.min_replicas)),
        "max": request.POST.get("max", str(endpoint.max_replicas)),
    }
    problem = ""
    if request.method == "POST":
        low, high = _whole(asked["min"]), _whole(asked["max"])
        if low is None or high is None:
            problem = "Enter whole numbers, such as 0 and 2."
        else:
            problem = rules.scale_problem(low, high)
            if not problem:
                services.change(
                    endpoint,
                    request.user.get_username(),
                    min_replicas=low,
                    max_replicas=high,
                )
                return _back(request, endpoint)
    context = {"endpoint": endpoint, "asked": asked, "problem": problem}
    if request.htmx:
        return render(request, "replicas/scale_form.html", context)
    status = 422 if problem else 200
    return render(request, "replicas/scale.html", context, status=status)


@require_http_methods(["GET", "POST"])
def delete(request: Request, name: str) -> HttpResponse:
    """GET asks once more."""
    endpoint = _endpoint(request, name)
    if request.method == "POST":
        services.delete(endpoint, request.user.get_username())
        return redirect(reverse("replicas:list"))
    return render(request, "replicas/delete.html", {"endpoint": endpoint})
