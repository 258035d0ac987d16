"""Sign-in, sign-out, health, and the way in."""

from __future__ import annotations

from math import ceil
from typing import Any

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse

from console import guard, health
from console.forms import SignInForm

# The field of bubbles beside the form: decoration, seven to a row.
_FIELD = """
    slot waiting slot slot pulling:.73 pulling:.55 slot
    slot slot slot pulling:.25 ready starting pulling:.31
    slot slot pulling:.37 ready ready ready ready
    slot slot slot starting ready ready pulling:.79
    slot slot slot slot pulling:.49 pulling:.31 slot
    slot slot slot slot slot slot waiting
"""
BUBBLES = [(state, p) for state, _, p in (w.partition(":") for w in _FIELD.split())]


def home(request: HttpRequest) -> HttpResponse:
    return redirect("replicas:list")


class SignIn(LoginView):
    template_name = "console/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_success_url(self) -> str:
        """On from here; a form may not lead to another host, as a hand-over does."""
        url = super().get_success_url()
        if not url.startswith("/hand-over/"):
            return url
        return f"{url}{'&' if '?' in url else '?'}signed-in=1"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(bubbles=BUBBLES, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        guard.remember(self.request, response, form.get_user().get_username())
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_invalid(form)
        if isinstance(form, SignInForm) and form.wait:
            response.status_code = 429
            response["Retry-After"] = str(ceil(form.wait))
        return response


@login_not_required
def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """Where the admin sends whoever it does not let in."""
    if request.user.is_authenticated:
        raise PermissionDenied
    here = reverse("admin:index")
    asked = request.GET.get(REDIRECT_FIELD_NAME, here)
    return redirect_to_login(asked if asked.startswith(here) else here)


class SignOut(LogoutView):
    """POST only, as Django has it."""


@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """The web process answers. Touches nothing, says nothing about anything else."""
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
def readyz(request: HttpRequest) -> JsonResponse:
    """Whether what the console stands on is there; 503 names what is not."""
    parts = health.ready()
    ready = all(said == health.OK for said in parts.values())
    return JsonResponse(
        {"ready": ready, "parts": parts},
        status=200 if ready else 503,
        headers={"Cache-Control": "no-store"},
    )
