"""Sign-in, sign-out, health, and the way in."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect


def home(request: HttpRequest) -> HttpResponse:
    return redirect("replicas:list")


class SignIn(LoginView):
    template_name = "console/login.html"
    redirect_authenticated_user = True


class SignOut(LogoutView):
    """POST only, as Django has it."""


@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """The web process answers. Says nothing about the worker."""
    return HttpResponse("ok\n", content_type="text/plain")
