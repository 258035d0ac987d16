"""Signing in and out, and what a stranger sees."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.django_db


def test_a_stranger_is_asked_to_sign_in(client):
    answer = client.get("/templates/")
    assert answer.status_code == 302
    assert answer.url == "/sign-in/?next=/templates/"


def test_the_form_is_complete_without_a_script(client):
    page = client.get("/sign-in/").content.decode()
    assert page.count('class="bubble bubble-md"') == 42
    assert page.count("b-ring") == 42
    assert 'stroke-dasharray="73.0 100"' in page
    assert 'role="alert"' not in page
    assert "to the GPUs at localhost" in page


def test_a_wrong_password_is_refused_in_words(client, alice):
    answer = client.post("/sign-in/", {"username": "alice", "password": "nope"})
    page = answer.content.decode()
    assert "That name and password do not match. Check both and try again." in page
    assert 'role="alert"' in page
    assert 'value="alice"' in page
    assert "nope" not in page


def test_the_right_password_leads_to_where_one_wanted_to_go(client, alice):
    answer = client.post(
        "/sign-in/",
        {"username": "alice", "password": "alice-secret", "next": "/templates/"},
    )
    assert answer.status_code == 302
    assert answer.url == "/templates/"


def test_another_site_is_no_place_to_go(client, alice):
    answer = client.post(
        "/sign-in/",
        {
            "username": "alice",
            "password": "alice-secret",
            "next": "//elsewhere.example",
        },
    )
    assert answer.url == "/endpoints/"


def test_sign_out_is_a_post(client, alice):
    client.force_login(alice)
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/").url == "/sign-in/"
    assert client.get("/templates/").status_code == 302


def test_health_needs_no_sign_in(client):
    assert client.get("/healthz").content == b"ok\n"
