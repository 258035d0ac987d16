"""An endpoint's share links: make one, see those there are, revoke."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from endpoints import sharing
from endpoints.forms.access import ShareForm
from endpoints.models import Endpoint, ShareLink
from endpoints.views.person import person


def _endpoint(request: HttpRequest, name: str) -> Endpoint:
    seen = Endpoint.objects.visible_to(person(request)).alive()
    return get_object_or_404(seen, name=name)


@never_cache
@require_http_methods(["GET", "POST"])
def share(request: HttpRequest, name: str) -> HttpResponse:
    """A POST makes a link and shows its address this one time."""
    endpoint = _endpoint(request, name)
    form = ShareForm(request.POST or None)
    made = address = None
    if request.method == "POST" and form.is_valid():
        ends = form.expires_at
        assert ends is not None  # noqa: S101 - for the types: each choice has an end
        made, address = sharing.share(
            endpoint, person(request), ends, form.cleaned_data["name"]
        )
        form = ShareForm()
    context = {
        "endpoint": endpoint,
        "form": form,
        "made": made,
        "address": address,
        "links": ShareLink.objects.usable().filter(endpoint=endpoint),
    }
    return render(request, "endpoints/share.html", context)


@require_http_methods(["GET", "POST"])
def unshare(request: HttpRequest, name: str, link_id: int) -> HttpResponse:
    """A GET asks whether to; a POST does it. Revoking twice is fine."""
    endpoint = _endpoint(request, name)
    links = ShareLink.objects.select_related("endpoint").filter(endpoint=endpoint)
    link = get_object_or_404(links, pk=link_id)
    if request.method == "GET":
        context = {"endpoint": endpoint, "link": link}
        return render(request, "endpoints/unshare.html", context)
    if sharing.unshare(link, person(request).get_username()):
        messages.success(request, f"Revoked {link.called}")
    return redirect("endpoints:share", name)
