"""The Tokens page."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from endpoints import keys
from endpoints.forms.access import TokenForm
from endpoints.models import AccessKey, Endpoint, Scope
from endpoints.views.person import person


@never_cache
@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """The list; a POST makes one and shows its text this one time."""
    seen = Endpoint.objects.alive().visible_to(request.user).select_related("owner")
    form = TokenForm(request.POST or None, seen=seen)
    made = secret = None
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        made, secret = keys.make_token(
            person(request),
            asked["name"],
            scope=Scope(asked["scope"]),
            endpoints=asked["endpoints"],
            expires_at=form.expires_at,
        )
        form = TokenForm(seen=seen)
    mine = AccessKey.objects.filter(owner_id=request.user.pk, revoked_at=None)
    context = {
        "form": form,
        "made": made,
        "secret": secret,
        "tokens": mine.prefetch_related("endpoints"),
        "seen": seen,
        "example_url": Endpoint(name="chat").url,
    }
    return render(request, "endpoints/tokens.html", context)


@require_http_methods(["GET", "POST"])
def revoke_token(request: HttpRequest, key_id: int) -> HttpResponse:
    """A GET asks whether to; a POST does it. Revoking twice is fine."""
    key = get_object_or_404(AccessKey, pk=key_id, owner_id=request.user.pk)
    if request.method == "GET":
        return render(request, "endpoints/revoke.html", {"token": key})
    if keys.revoke(key):
        messages.success(request, f"Revoked {key.name}")
    return redirect("endpoints:tokens")
