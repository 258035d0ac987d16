"""Waking, sleeping, warmth and the weekly schedule, as pressed on a page."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from endpoints import sizing
from endpoints.forms.schedule import ScheduleForm
from endpoints.forms.warm import WarmForm
from replicas.fragments.schedule import week_context, zones
from replicas.views.asking import Request, back, endpoint_of


@require_POST
def wake(request: Request, name: str) -> HttpResponse:
    endpoint = endpoint_of(request, name)
    if endpoint.paused:
        text = f"{name} is paused. Resume it to have it running."
    elif sizing.wake(endpoint, request.user.get_username()):
        text = f"Waking {name}"
    else:
        text = f"{name} is awake already"
    messages.success(request, text)
    return back(request, endpoint)


@require_POST
def sleep(request: Request, name: str) -> HttpResponse:
    endpoint = endpoint_of(request, name)
    try:
        slept = sizing.sleep(endpoint, request.user.get_username())
        text = f"{name} goes to sleep" if slept else f"{name} sleeps already"
    except sizing.StaysAwake as reason:
        text = str(reason)
    messages.success(request, text)
    return back(request, endpoint)


@require_http_methods(["GET", "POST"])
def warm(request: Request, name: str) -> HttpResponse:
    """The dialog's form; a page of its own without scripts."""
    endpoint = endpoint_of(request, name)
    form = WarmForm(
        request.POST if request.method == "POST" else None, endpoint=endpoint
    )
    if form.is_bound and form.is_valid():
        sizing.keep_warm(endpoint, form.moment, request.user.get_username())
        messages.success(request, form.said)
        return back(request, endpoint)
    context = {"endpoint": endpoint, "warm_form": form, "now": form.now}
    if request.htmx:
        return render(request, "replicas/warm_form.html", context)
    status = 422 if form.is_bound else 200
    return render(request, "replicas/warm.html", context, status=status)


@require_http_methods(["GET", "POST"])
def schedule(request: Request, name: str) -> HttpResponse:
    """POST with htmx draws the week as typed and keeps nothing."""
    endpoint = endpoint_of(request, name)
    form = ScheduleForm(endpoint, request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {"endpoint": endpoint, "form": form}
    if request.htmx:
        context |= week_context(endpoint, form.windows, form.zone)
        return render(request, "replicas/week.html", context)
    if form.is_bound and not form.summary:
        sizing.set_schedule(
            endpoint, form.windows, form.zone, request.user.get_username()
        )
        return redirect(endpoint)
    context |= week_context(endpoint, form.windows, form.zone)
    context |= {"zones": zones(), "now": timezone.now()}
    status = 422 if form.is_bound else 200
    return render(request, "replicas/schedule.html", context, status=status)
