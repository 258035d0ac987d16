"""What can be done on an endpoint's page: each is one verb of the layer below."""

from __future__ import annotations

from dataclasses import replace

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from endpoints import revisions, rules, services
from endpoints.holding import held
from replicas import services as replica_services
from replicas.models import Replica
from replicas.views.asking import Request, back, endpoint_of, whole
from templates_app.models import Tier


@require_POST
def pause(request: Request, name: str) -> HttpResponse:
    endpoint = endpoint_of(request, name)
    services.pause(endpoint, request.user.get_username())
    return back(request, endpoint)


@require_POST
def resume(request: Request, name: str) -> HttpResponse:
    endpoint = endpoint_of(request, name)
    services.resume(endpoint, request.user.get_username())
    return back(request, endpoint)


@require_POST
def restart(request: Request, name: str) -> HttpResponse:
    """One replica (`replica` is its id), or all of them."""
    endpoint = endpoint_of(request, name)
    chosen = endpoint.replicas.alive()
    if "replica" in request.POST:
        replica_id = whole(request.POST["replica"])
        if replica_id is None:
            return HttpResponse("Name a replica by its number.", status=400)
        chosen = chosen.filter(pk=replica_id)
    asked = [r for r in chosen if replica_services.restart(r, request.user)]
    if asked:
        named = " and ".join(f"Replica {replica.number}" for replica in asked)
        text = f"Restarting {named}. Each goes when its successor is ready."
        messages.success(request, text)
    return back(request, endpoint)


@require_POST
def access(request: Request, name: str) -> HttpResponse:
    """Public when `public` is "on", else private."""
    endpoint = endpoint_of(request, name)
    public = request.POST.get("public") == "on"
    services.change(endpoint, request.user.get_username(), public=public)
    return back(request, endpoint)


@require_http_methods(["GET", "POST"])
def scale(request: Request, name: str) -> HttpResponse:
    endpoint = endpoint_of(request, name)
    asked = {
        "min": request.POST.get("min", str(endpoint.min_replicas)),
        "max": request.POST.get("max", str(endpoint.max_replicas)),
    }
    problem = ""
    if request.method == "POST":
        low, high = whole(asked["min"]), whole(asked["max"])
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
                return back(request, endpoint)
    context = {"endpoint": endpoint, "asked": asked, "problem": problem}
    if request.htmx:
        return render(request, "replicas/scale_form.html", context)
    status = 422 if problem else 200
    return render(request, "replicas/scale.html", context, status=status)


@require_http_methods(["GET", "POST"])
def delete(request: Request, name: str) -> HttpResponse:
    """GET asks once more."""
    endpoint = endpoint_of(request, name)
    if request.method == "POST":
        services.delete(endpoint, request.user.get_username())
        return redirect(reverse("replicas:list"))
    return render(request, "replicas/delete.html", {"endpoint": endpoint})


# --- Going on after trouble ---------------------------------------------------------
@require_POST
def try_now(request: Request, name: str) -> HttpResponse:
    """Do not wait for the back-off of the replica `replica`."""
    endpoint = endpoint_of(request, name)
    replica_id = whole(request.POST.get("replica", ""))
    replica = get_object_or_404(Replica, endpoint=endpoint, pk=replica_id)
    if replica_services.try_now(replica, request.user):
        messages.success(request, f"Starting Replica {replica.number}")
    return back(request, endpoint)


@require_POST
def port(request: Request, name: str) -> HttpResponse:
    """Send requests to the port `port` of the container from now on."""
    endpoint = endpoint_of(request, name)
    number = whole(request.POST.get("port", ""))
    if problem := rules.port_problem(number):
        return HttpResponse(problem, status=400, content_type="text/plain")
    assert number is not None  # noqa: S101 - for the types
    with held(endpoint) as row:
        spec = replace(row.container, port=number).to_json()
        services.change(row, request.user.get_username(), spec=spec)
    messages.success(request, f"Using port {number}")
    return back(request, endpoint)


@require_POST
def tier(request: Request, name: str) -> HttpResponse:
    """Move to the hardware `tier`."""
    endpoint = endpoint_of(request, name)
    chosen = get_object_or_404(Tier, pk=request.POST.get("tier", ""))
    services.change(endpoint, request.user.get_username(), tier=chosen)
    messages.success(request, f"Moving to {chosen.name}")
    return back(request, endpoint)


@require_POST
def roll_back(request: Request, name: str) -> HttpResponse:
    """Want the revision `revision` again."""
    endpoint = endpoint_of(request, name)
    number = whole(request.POST.get("revision", ""))
    if number is None:
        return HttpResponse(
            "Name a revision by its number.", status=400, content_type="text/plain"
        )
    try:
        done = revisions.roll_back(endpoint, number, request.user.get_username())
    except revisions.NoSuchRevision:
        raise Http404 from None
    if done:
        messages.success(request, f"Going back to revision {number}")
    return back(request, endpoint)


@require_POST
def try_again(request: Request, name: str) -> HttpResponse:
    """Give the revision that was given up another chance."""
    endpoint = endpoint_of(request, name)
    if revisions.try_again(endpoint, request.user.get_username()):
        messages.success(request, f"Trying revision {endpoint.revision} again")
    return back(request, endpoint)
