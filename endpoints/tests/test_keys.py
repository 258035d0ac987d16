"""Tokens: made once, kept as a digest, refused when revoked."""

import hashlib
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.test import APIRequestFactory

from endpoints import signals
from endpoints.keys import BearerAuthentication, digest_of, make_token, revoke
from endpoints.models import AccessKey
from endpoints.tests.factories import EndpointFactory, UserFactory

pytestmark = pytest.mark.django_db


def ask(header):
    headers = {} if header is None else {"authorization": header}
    return BearerAuthentication().authenticate(
        APIRequestFactory(headers=headers).get("/v1/account")
    )


@pytest.fixture
def rung():
    """Endpoints whose change was announced."""
    heard = []

    def listen(endpoint_id, **_):
        heard.append(endpoint_id)

    signals.spec_changed.connect(listen)
    yield heard
    signals.spec_changed.disconnect(listen)


def test_only_a_digest_is_kept(alice):
    key, token = make_token(alice, "ci")
    assert token.startswith("alt_")
    assert len(token) > 40
    row = AccessKey.objects.values().get()
    assert token not in str(row)
    assert (row["prefix"], row["last_four"]) == (token[:8], token[-4:])
    header = f"Bearer {token}".encode()
    assert row["digest"] == hashlib.sha256(header).hexdigest().upper()
    assert str(key) == f"ci ({token[:8]}…{token[-4:]})"


def test_no_two_tokens_are_alike(alice):
    tokens = {make_token(alice, "ci")[1] for _ in range(20)}
    assert len(tokens) == len({digest_of(token) for token in tokens}) == 20


def test_who_it_belongs_to(alice, bob):
    make_token(bob, "other")
    key, token = make_token(alice, "ci")
    assert ask(f"Bearer {token}") == (alice, key)


@pytest.mark.parametrize("header", [None, "", "Basic eDp5", "Bearer", "bearer x"])
def test_no_bearer_is_left_to_others(header):
    assert ask(header) is None


@pytest.mark.parametrize("token", ["", " ", "alt_nothing", "ÿ", "x" * 100_000])
def test_an_unknown_token(token):
    with pytest.raises(AuthenticationFailed, match="Tokens page"):
        ask(f"Bearer {token}")


def test_a_revoked_token(alice):
    key, token = make_token(alice, "ci")
    assert revoke(key) is True
    assert revoke(key) is False
    with pytest.raises(AuthenticationFailed):
        ask(f"Bearer {token}")


def test_a_token_of_someone_inactive():
    _, token = make_token(UserFactory(is_active=False), "ci")
    with pytest.raises(AuthenticationFailed):
        ask(f"Bearer {token}")


def test_its_last_use_is_noted_to_the_minute(alice, time_machine):
    key, token = make_token(alice, "ci")

    def used_at(moment):
        time_machine.move_to(moment, tick=False)
        ask(f"Bearer {token}")
        key.refresh_from_db()
        return key.last_used_at

    start = timezone.now().replace(microsecond=0)
    assert used_at(start) == start
    assert used_at(start + timedelta(seconds=59)) == start
    later = start + timedelta(seconds=61)
    assert used_at(later) == later


def test_the_ingress_hears_of_it_when_it_is_sure(
    alice, bob, rung, django_capture_on_commit_callbacks
):
    mine = EndpointFactory(owner=alice)
    EndpointFactory(owner=bob)
    EndpointFactory(owner=alice, deleting=True)
    with django_capture_on_commit_callbacks(execute=True):
        key, _ = make_token(alice, "ci")
        assert rung == []
    assert rung == [mine.pk]
    with django_capture_on_commit_callbacks(execute=True):
        revoke(key)
    assert rung == [mine.pk] * 2


def test_the_command_prints_only_the_token(capsys, people):
    admin = people("admin")
    call_command("make_token", "ci")
    token = capsys.readouterr().out.removesuffix("\n")
    assert ask(f"Bearer {token}")[0] == admin
    with pytest.raises(CommandError, match='There is no user "grace"'):
        call_command("make_token", "ci", user="grace")
