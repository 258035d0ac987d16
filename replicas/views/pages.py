"""The endpoints list, an endpoint's homepage and its revisions."""

from __future__ import annotations

import json
from dataclasses import asdict

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from endpoints import live
from endpoints.forms.trying import form_for
from endpoints.forms.warm import WarmForm
from replicas import fragments
from replicas.logs import store
from replicas.models import Replica
from replicas.news import current
from replicas.views.asking import Request, endpoint_of, whole


@require_GET
def endpoint_list(request: Request) -> HttpResponse:
    topics = [live.owner_topic(request.user.pk), live.HARDWARE_TOPIC]
    # Read before the rows: what the page shows is at least as new as these.
    seqs = current(topics)
    context = fragments.list_context(fragments.listed(request.user))
    return render(
        request, "replicas/list.html", {**context, "seqs_json": json.dumps(seqs)}
    )


@require_GET
def endpoint_page(request: Request, name: str) -> HttpResponse:
    endpoint = endpoint_of(request, name)
    seqs = current([live.endpoint_topic(endpoint.pk), live.HARDWARE_TOPIC])
    endpoint.refresh_from_db()
    context = fragments.endpoint_context(endpoint, replica_id=None)
    hints = [asdict(hint) for hint in endpoint.container.hints]
    context["warm_form"] = WarmForm(endpoint=endpoint)
    context |= {"seqs_json": json.dumps(seqs), "hints_json": json.dumps(hints)}
    context |= fragments.charts_context(endpoint, request.GET.get("range"))
    context["form"] = form_for(endpoint)
    return render(request, "replicas/endpoint.html", context)


@require_GET
def charts(request: Request, name: str) -> HttpResponse:
    """The fragment with the charts of another `range`, for scripts."""
    endpoint = endpoint_of(request, name)
    context = fragments.charts_context(endpoint, request.GET.get("range"))
    return render(request, fragments.CHARTS_FRAGMENT[fragments.CHARTS], context)


@require_GET
def replica_page(request: Request, name: str, replica_id: int) -> HttpResponse:
    """The dialog's fragment for scripts, a page of its own without them."""
    endpoint = endpoint_of(request, name)
    get_object_or_404(Replica, endpoint=endpoint, pk=replica_id)
    context = fragments.endpoint_context(endpoint, replica_id=replica_id)
    fragment = request.htmx or "fragment" in request.GET
    template = "replicas/dialog.html" if fragment else "replicas/replica.html"
    return render(request, template, context)


@require_GET
def logs(request: Request, name: str) -> StreamingHttpResponse:
    """Every line of every replica, as plain text."""
    endpoint = endpoint_of(request, name)
    response = StreamingHttpResponse(
        store.text_stream(store.iter_text(endpoint.pk)),
        content_type="text/plain; charset=utf-8",
    )
    response["Content-Disposition"] = f'attachment; filename="{endpoint.name}.log"'
    return response


@require_GET
def revisions(request: Request, name: str) -> HttpResponse:
    """Every container it was asked to run, and what differs between two of them."""
    context = fragments.revisions_context(
        endpoint_of(request, name),
        before=whole(request.GET.get("before", "")),
        old=request.GET.get("old", ""),
        new=request.GET.get("new", ""),
    )
    return render(request, "replicas/revisions.html", context)
