"""The Tokens page: made once, shown once, revoked for good."""

from __future__ import annotations

import re

import pytest

from endpoints import keys
from endpoints.models import AccessKey
from endpoints.signals import spec_changed
from endpoints.tests.factories import EndpointFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return UserFactory(username="alice")


@pytest.fixture
def bob():
    return UserFactory(username="bob")


@pytest.fixture
def announced():
    """Endpoint ids that somebody was asked to look at again."""
    seen = []

    def note(endpoint_id, **_):
        seen.append(endpoint_id)

    spec_changed.connect(note)
    yield seen
    spec_changed.disconnect(note)


def test_a_token_is_shown_once_and_kept_as_its_digest(client, alice):
    client.force_login(alice)
    answer = client.post("/tokens/", {"name": "ci"})
    token = re.search(r'id="tk-secret">(alt_[\w-]+)<', answer.content.decode())[1]
    key = AccessKey.objects.get()
    assert key.digest == keys.digest_of(token)
    assert key.owner == alice
    assert "no-store" in answer["Cache-Control"]
    again = client.get("/tokens/").content.decode()
    assert token not in again
    assert f"{token[:8]}…{token[-4:]}" in again


def test_a_token_needs_a_name(client, alice):
    client.force_login(alice)
    page = client.post("/tokens/", {"name": "  "}).content.decode()
    assert "Give the token a name." in page
    assert not AccessKey.objects.exists()


def test_revoking_asks_first_and_then_refuses_the_token(client, alice, announced):
    _, token = keys.make_token(alice, "ci")
    key = AccessKey.objects.get()
    client.force_login(alice)
    question = client.get(f"/tokens/{key.pk}/revoke/").content.decode()
    assert "Revoke ci?" in question
    assert "This cannot be undone." in question
    bearer = {"Authorization": f"Bearer {token}"}
    assert client.get("/v1/account", headers=bearer).status_code == 200

    answer = client.post(f"/tokens/{key.pk}/revoke/", follow=True)
    page = answer.content.decode()
    assert "Revoked ci" in page
    assert key.last_four not in page
    client.logout()
    assert client.get("/v1/account", headers=bearer).status_code == 401


def test_tokens_of_others_are_neither_seen_nor_revoked(client, alice, bob):
    keys.make_token(bob, "bobs")
    key = AccessKey.objects.get()
    client.force_login(alice)
    assert "bobs" not in client.get("/tokens/").content.decode()
    assert client.post(f"/tokens/{key.pk}/revoke/").status_code == 404
    key.refresh_from_db()
    assert key.revoked_at is None


def test_the_owners_endpoints_are_looked_at_again(
    alice, bob, announced, django_capture_on_commit_callbacks
):
    mine, _ = EndpointFactory(owner=alice), EndpointFactory(owner=bob)
    gone = EndpointFactory(owner=alice, deleting=True)
    with django_capture_on_commit_callbacks(execute=True):
        key, _ = keys.make_token(alice, "ci")
    assert announced == [mine.pk]
    with django_capture_on_commit_callbacks(execute=True):
        assert keys.revoke(key)
    assert announced == [mine.pk, mine.pk]
    with django_capture_on_commit_callbacks(execute=True):
        assert not keys.revoke(key)
    assert announced == [mine.pk, mine.pk]
    assert gone.pk not in announced
