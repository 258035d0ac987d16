"""What a page says when it cannot be shown."""

from __future__ import annotations

import logging
import re

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.test import Client, RequestFactory

from console import errors


@pytest.mark.django_db
def test_nothing_at_this_address(client, alice):
    client.force_login(alice)
    answer = client.get("/nothing/")
    page = answer.content.decode()
    assert answer.status_code == 404
    assert "There is nothing at this address" in page
    assert "The endpoint may have been deleted or renamed" in page
    assert 'href="/endpoints/"' in page


@pytest.mark.django_db
def test_a_stranger_sees_the_page_without_an_account(client):
    answer = client.get("/nothing/")
    assert answer.status_code == 404
    assert "user-menu" not in answer.content.decode()


@pytest.mark.django_db
def test_somebody_elses_endpoint_names_its_owner(rf, alice):
    denied = PermissionDenied()
    denied.owner = "grace"
    request = rf.get("/endpoints/hers/")
    request.user = alice
    answer = errors.forbidden(request, denied)
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "This endpoint belongs to someone else" in page
    assert "<b>grace</b>" in page


@pytest.mark.django_db
def test_a_form_without_its_token_is_refused_in_words(alice):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    answer = strict.post("/tokens/", {"name": "ci"})
    assert answer.status_code == 403
    assert "This form is out of date" in answer.content.decode()


def test_our_own_fault_has_a_reference_that_is_logged(caplog):
    """Without the database: this test has none."""
    request = RequestFactory().get("/templates/?q=x")
    with caplog.at_level(logging.ERROR):
        try:
            raise ValueError("the reason")
        except ValueError:
            answer = errors.broken(request)
    page = answer.content.decode()
    reference = re.search(r"[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}", page)[0]
    assert answer.status_code == 500
    assert "Your endpoints keep running; only this page failed." in page
    assert 'href="/templates/?q=x"' in page
    assert f"Reference {reference}: /templates/ failed" in caplog.text
    assert "the reason" in caplog.text


def test_a_full_disk_is_named(monkeypatch):
    monkeypatch.setattr(errors.space, "free", lambda: 0)
    try:
        raise OperationalError("disk I/O error")
    except OperationalError:
        answer = errors.broken(RequestFactory().get("/templates/"))
    page = answer.content.decode()
    assert answer.status_code == 507
    assert "The console’s disk is full" in page
    assert "it goes on by itself then" in page


@pytest.mark.django_db
def test_a_view_that_fails_shows_it(client, alice, monkeypatch):
    def fail(*args):
        raise RuntimeError("no")

    monkeypatch.setattr("templates_app.views.listing._kinds", fail)
    client.force_login(alice)
    client.raise_request_exception = False
    answer = client.get("/templates/")
    assert answer.status_code == 500
    assert "The console hit a problem" in answer.content.decode()


def test_a_frame_that_fails_leaves_the_words(rf, monkeypatch):
    def fail(*args):
        raise ValueError("no frame")

    monkeypatch.setattr(errors, "render_to_string", fail)
    page = errors.broken(rf.get("/")).content.decode()
    assert "Your endpoints keep running; only this page failed." in page
    assert re.search(r"Reference ([0-9a-f]{4}-){2}[0-9a-f]{4}: tell it to", page)
