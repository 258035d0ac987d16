"""Sessions: new at sign-in, ended by time, sign-out, a new password, a shut account."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from endpoints.tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def grace():
    return UserFactory(username="grace")


def entered(client=None):
    client = client or Client()
    sent = {"username": "grace", "password": PASSWORD}
    assert client.post("/sign-in/", sent).status_code == 302
    return client


def is_in(client):
    return client.get("/endpoints/").status_code == 200


def test_signing_in_gives_a_new_session(grace):
    """One that somebody else planted is worth nothing."""
    planted = Client()
    session = planted.session
    session["planted"] = "yes"
    session.save()
    before = planted.cookies["alight_session"].value
    client = entered(planted)
    assert client.cookies["alight_session"].value != before
    assert not Session.objects.filter(pk=before).exists()
    thief = Client()
    thief.cookies["alight_session"] = before
    assert not is_in(thief)


def test_signing_in_gives_a_new_csrf_token(grace):
    client = Client()
    client.get("/sign-in/")
    before = client.cookies["alight_csrf"].value
    assert entered(client).cookies["alight_csrf"].value != before


def test_two_people_in_one_browser_share_nothing(grace):
    UserFactory(username="linus")
    client = entered()
    first = client.cookies["alight_session"].value
    client.post("/sign-out/")
    client.post("/sign-in/", {"username": "linus", "password": PASSWORD})
    assert client.cookies["alight_session"].value != first


def test_signing_out_ends_it_here_and_for_who_copied_it(grace):
    client = entered()
    copied = Client()
    copied.cookies["alight_session"] = client.cookies["alight_session"].value
    assert is_in(copied)
    client.post("/sign-out/")
    assert not is_in(copied)


def test_it_ends_by_itself(grace, time_machine):
    client = entered()
    assert is_in(client)
    time_machine.move_to(timezone.now() + timedelta(days=15))
    copied = Client()
    copied.cookies["alight_session"] = client.cookies["alight_session"].value
    assert not is_in(copied)


def test_a_new_password_ends_all_of_them(grace):
    one, two = entered(), entered()
    grace.set_password("another good one")
    grace.save()
    assert not is_in(one)
    assert not is_in(two)


def test_a_shut_account_is_out_at_once(grace):
    client = entered()
    grace.is_active = False
    grace.save()
    assert not is_in(client)
    answer = Client().post("/sign-in/", {"username": "grace", "password": PASSWORD})
    assert "do not match" in answer.content.decode()


def test_what_the_cookies_say(grace, settings):
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SECURE_SSL_REDIRECT = False
    client = Client()
    client.get("/sign-in/")
    entered(client)
    session, csrf = client.cookies["alight_session"], client.cookies["alight_csrf"]
    assert session["httponly"]
    assert session["max-age"] == 14 * 86_400
    for cookie in (session, csrf):
        assert cookie["samesite"] == "Lax"
        assert cookie["secure"]
        assert cookie["path"] == "/"
        assert not cookie["domain"]
