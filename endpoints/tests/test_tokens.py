"""The Tokens page: made once, shown once, revoked for good."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from endpoints import keys
from endpoints.models import AccessKey, Scope
from endpoints.signals import spec_changed
from endpoints.tests.factories import EndpointFactory, UserFactory

pytestmark = pytest.mark.django_db

# What the form sends as it is.
ALL = {"scope": "call-all", "expires": "90d"}


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
    answer = client.post("/tokens/", {**ALL, "name": "ci"})
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
    page = client.post("/tokens/", {**ALL, "name": "  "}).content.decode()
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


# --- What it may use, and how long ----------------------------------------------
def test_what_the_form_sends_as_it_is(client, alice):
    client.force_login(alice)
    client.post("/tokens/", {**ALL, "name": "ci"})
    key = AccessKey.objects.get()
    days = key.expires_at - timezone.now()
    assert key.scope == Scope.CALL_ALL
    assert timedelta(days=90, minutes=-1) < days <= timedelta(days=90)


def test_a_token_for_chosen_endpoints(client, alice):
    art, chat = (EndpointFactory(name=n, owner=alice) for n in ("art", "chat"))
    EndpointFactory(name="other", owner=alice)
    client.force_login(alice)
    chosen = {"scope": "call-some", "endpoints": ["art", "chat"], "expires": ""}
    page = client.post("/tokens/", {**chosen, "name": "ci"}).content.decode()
    key = AccessKey.objects.get()
    assert set(key.endpoints.all()) == {art, chat}
    assert key.expires_at is None
    assert "art, chat" in page


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"scope": "call-some"}, "Choose at least one endpoint."),
        ({"scope": "call-some", "endpoints": ["bobs"]}, "is not there any more."),
        ({"scope": "everything"}, "Choose what it can use."),
        ({"expires": "1000y"}, "Choose when it expires."),
    ],
)
def test_what_was_typed_stays(client, alice, bob, sent, says):
    EndpointFactory(name="bobs", owner=bob)
    EndpointFactory(name="art", owner=alice)
    client.force_login(alice)
    page = client.post("/tokens/", {**ALL, "name": "my ci", **sent}).content.decode()
    assert says in page
    assert 'value="my ci"' in page
    assert "data-open-now" in page
    assert not AccessKey.objects.exists()


def test_choices_stay_when_the_name_is_missing(client, alice):
    for name in ("art", "chat"):
        EndpointFactory(name=name, owner=alice)
    client.force_login(alice)
    sent = {"scope": "call-some", "endpoints": ["chat"], "expires": "7d", "name": ""}
    page = client.post("/tokens/", sent).content.decode()
    assert 'value="call-some" selected' in page
    assert 'value="7d" selected' in page
    assert re.search('value="chat" checked', page)
    assert not re.search('value="art" checked', page)


def test_the_list_says_what_each_may_do_and_until_when(client, alice):
    now = timezone.now()
    art = EndpointFactory(name="art", owner=alice)
    keys.make_token(alice, "all")
    keys.make_token(
        alice,
        "some",
        scope=Scope.CALL_SOME,
        endpoints=[art],
        expires_at=now + timedelta(days=12),
    )
    keys.make_token(alice, "old", expires_at=now - timedelta(days=1))
    client.force_login(alice)
    page = client.get("/tokens/").content.decode()
    assert "All endpoints and the API" in page
    assert ">art</div>" in page
    assert ">in 12 days</time>" in page
    assert ">Expired</time>" in page
    assert "art, expires in 12 days" in page


def test_the_list_takes_the_same_queries_however_long(
    client, alice, django_assert_max_num_queries
):
    art = EndpointFactory(owner=alice)
    for number in range(20):
        keys.make_token(
            alice, f"token {number}", scope=Scope.CALL_SOME, endpoints=[art]
        )
    client.force_login(alice)
    with django_assert_max_num_queries(9):
        assert client.get("/tokens/").content.decode().count("data-revoke=") == 20
