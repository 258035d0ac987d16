"""Headers of what the matrix does not ask for: errors, files, streams, edges."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import path

from tests.security.headers import WANTED, lacking


def broken(request):
    raise RuntimeError("broken")


urlpatterns = [path("broken", broken)]
handler500 = "console.errors.broken"


@pytest.mark.django_db
@pytest.mark.parametrize("there", ["/healthz", "/nothing", "/v1/schema", "/sign-in/"])
def test_a_stranger_gets_them(client, there):
    assert lacking(client.get(there)) == {}


@pytest.mark.django_db
def test_what_is_broken_has_them(settings):
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [m for m in settings.MIDDLEWARE if "LoginReq" not in m]
    answer = Client(raise_request_exception=False).get("/broken")
    assert answer.status_code == 500
    assert lacking(answer) == {}


@pytest.mark.django_db
def test_a_refused_form_has_them():
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/sign-in/", {"username": "a", "password": "b"})
    assert answer.status_code == 403
    assert lacking(answer) == {}


def test_files_have_them(client, settings):
    """A page of its own a file cannot be, so it needs no policy for its parts."""
    settings.WHITENOISE_USE_FINDERS = settings.WHITENOISE_AUTOREFRESH = True
    answer = client.get("/static/js/live.js")
    assert answer.status_code == 200
    assert {*lacking(answer)} == {"Content-Security-Policy", "X-Frame-Options"}
    assert len(WANTED) > 3


@pytest.mark.django_db
def test_no_page_has_a_script_or_a_style_in_it(client):
    """The policy would keep a browser from it: it is for what somebody slips in."""
    page = client.get("/sign-in/").content.decode()
    assert " style=" not in page
    assert "<style" not in page
    assert "<script>" not in page
    assert " onclick=" not in page
