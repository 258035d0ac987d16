"""Tokens: made once, kept as a digest, refused when revoked."""

import hashlib
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.test import APIRequestFactory

from endpoints import sharing, signals
from endpoints.grants import grants_by_endpoint, grants_of
from endpoints.keys import (
    BearerAuthentication,
    digest_of,
    make_token,
    note_use,
    revoke,
)
from endpoints.models import AccessKey, Pass, Scope
from endpoints.tests.factories import EndpointFactory, UserFactory
from endpoints.tests.gates import at_once, gates

__all__ = ["at_once", "gates"]

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


@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_after_it_was_written_spoils_nothing(alice, monkeypatch):
    art, heard = EndpointFactory(owner=alice), []

    class Ingress:
        def admit(self, *_):
            raise OperationalError

    def hear(endpoint_id, **_):
        heard.append(endpoint_id)

    monkeypatch.setattr("endpoints.gate.get_ingress", Ingress)
    signals.spec_changed.connect(hear)
    try:
        key, _ = make_token(alice, "ci")
    finally:
        signals.spec_changed.disconnect(hear)
    # Whoever looks later hears of it.
    assert heard == [art.pk]
    assert AccessKey.objects.get() == key


def test_the_command_prints_only_the_token(capsys, people):
    admin = people("admin")
    call_command("make_token", "ci")
    token = capsys.readouterr().out.removesuffix("\n")
    assert ask(f"Bearer {token}")[0] == admin
    with pytest.raises(CommandError, match='There is no user "grace"'):
        call_command("make_token", "ci", user="grace")


def test_the_command_makes_any_kind_of_token(people):
    admin = people("admin")
    art = EndpointFactory(name="art", owner=admin)
    call_command("make_token", "ci", "--endpoint=art", "--days=30")
    some = AccessKey.objects.get()
    assert (some.scope, list(some.endpoints.all())) == (Scope.CALL_SOME, [art])
    left = some.expires_at - timezone.now()
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)
    call_command("make_token", "all", scope="call-all")
    assert AccessKey.objects.get(name="all").scope == Scope.CALL_ALL


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--scope=call-some"], "go together"),
        (["--scope=manage", "--endpoint=art"], "go together"),
        (["--endpoint=bobs"], 'admin has no endpoint "bobs"'),
        (["--days=0"], "at least one day"),
    ],
)
def test_the_command_says_what_is_wrong(people, bob, words, says):
    EndpointFactory(name="art", owner=people("admin"))
    EndpointFactory(name="bobs", owner=bob)
    with pytest.raises(CommandError, match=says):
        call_command("make_token", "ci", *words)
    assert not AccessKey.objects.exists()


# --- Scopes and ends -------------------------------------------------------------
@pytest.fixture
def art(alice, gates):
    endpoint = EndpointFactory(name="art", owner=alice)
    gates.open(endpoint)
    return endpoint


@pytest.fixture
def chat(alice, gates):
    endpoint = EndpointFactory(name="chat", owner=alice)
    gates.open(endpoint)
    return endpoint


def listed(endpoint):
    """What the next sync would tell the ingress."""
    return {grant.digest for grant in grants_of(endpoint)}


@pytest.mark.parametrize("scope", [Scope.MANAGE, Scope.CALL_ALL])
def test_a_token_for_all_calls_all_at_once(alice, art, chat, gates, at_once, scope):
    key, _ = at_once(make_token, alice, "ci", scope=scope)
    for endpoint in (art, chat):
        assert gates.let_in(endpoint) == listed(endpoint) == {key.digest}


def test_a_token_for_some_calls_those(alice, art, chat, gates, at_once, rung):
    key, _ = at_once(make_token, alice, "ci", scope=Scope.CALL_SOME, endpoints=[art])
    assert gates.let_in(art) == listed(art) == {key.digest}
    assert gates.let_in(chat) == listed(chat) == set()
    assert rung == [art.pk]


def test_someone_elses_endpoint_stays_shut(bob, art, gates, at_once):
    at_once(make_token, bob, "ci", scope=Scope.CALL_SOME, endpoints=[art])
    at_once(make_token, bob, "ci", scope=Scope.CALL_ALL)
    assert gates.let_in(art) == listed(art) == set()


@pytest.fixture
def root(people):
    return people("root", is_superuser=True)


@pytest.mark.parametrize("scope", list(Scope))
def test_a_superusers_token_calls_what_they_see(root, art, gates, at_once, scope):
    some = [art] if scope == Scope.CALL_SOME else []
    key, _ = at_once(make_token, root, "ci", scope=scope, endpoints=some)
    assert gates.let_in(art) == listed(art) == {key.digest}


def test_of_someone_who_is_no_superuser_any_longer_it_calls_their_own(
    root, art, gates, at_once
):
    own = EndpointFactory(name="own", owner=root)
    gates.open(own)
    chosen = {"scope": Scope.CALL_SOME, "endpoints": [art, own]}
    digests = {
        at_once(make_token, root, "all")[0].digest,
        at_once(make_token, root, "some", **chosen)[0].digest,
    }
    for endpoint in (art, own):
        assert gates.let_in(endpoint) == listed(endpoint) == digests
    root.is_superuser = False
    at_once(root.save)
    assert gates.let_in(art) == listed(art) == set()
    assert gates.let_in(own) == listed(own) == digests


def test_grants_take_the_same_queries_however_many(
    alice, root, art, django_assert_num_queries
):
    endpoints = [art, *(EndpointFactory(owner=alice) for _ in range(5))]
    for owner in (alice, root):
        for number in range(5):
            make_token(owner, str(number))
            make_token(owner, "x", scope=Scope.CALL_SOME, endpoints=endpoints)
    with django_assert_num_queries(4):
        found = grants_by_endpoint(endpoints)
    assert {len(grants) for grants in found.values()} == {20}


def test_a_revoked_token_is_out_at_once(alice, art, chat, gates, at_once):
    kept, _ = at_once(make_token, alice, "kept")
    key, _ = at_once(make_token, alice, "ci")
    at_once(revoke, key)
    for endpoint in (art, chat):
        assert gates.let_in(endpoint) == listed(endpoint) == {kept.digest}


def test_a_token_is_revoked_while_the_ingress_is_away(alice, art, gates, at_once):
    key, _ = at_once(make_token, alice, "ci")
    gates.ingress.reachable = False
    assert at_once(revoke, key)
    assert listed(art) == set()


def test_the_ingress_is_told_when_a_token_ends(alice, art, gates, at_once):
    ends = timezone.now() + timedelta(days=1)
    key, _ = at_once(make_token, alice, "ci", expires_at=ends)
    assert gates.until(art, key.digest) == int(ends.timestamp())


def test_an_expired_token(alice, art, time_machine):
    ends = timezone.now() + timedelta(days=1)
    key, token = make_token(alice, "ci", expires_at=ends)
    assert ask(f"Bearer {token}") == (alice, key)
    time_machine.move_to(ends, tick=False)
    assert listed(art) == set()
    with pytest.raises(AuthenticationFailed):
        ask(f"Bearer {token}")


@pytest.mark.parametrize("scope", [Scope.CALL_ALL, Scope.CALL_SOME])
def test_a_token_that_only_calls_manages_nothing(alice, scope):
    _, token = make_token(alice, "ci", scope=scope)
    with pytest.raises(PermissionDenied, match="may call endpoints, not manage them"):
        ask(f"Bearer {token}")


@pytest.mark.parametrize("path", ["account", "endpoints", "tokens", "templates"])
def test_the_api_says_so(client, alice, path):
    _, token = make_token(alice, "ci", scope=Scope.CALL_ALL)
    answer = client.get(f"/v1/{path}", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "permission_denied"
    assert "Make one that may on the Tokens page" in answer.json()["error"]["message"]


# --- Use ---------------------------------------------------------------------------
@pytest.fixture
def counting(monkeypatch):
    """As in a process that has just begun."""
    monkeypatch.setattr("endpoints.keys._counted", None)


def used(row):
    row.refresh_from_db()
    return row.last_used_at


def test_what_the_ingress_counts_is_use(alice, counting, time_machine):
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    one, _ = make_token(alice, "one")
    two, _ = make_token(alice, "two")
    note_use({})
    note_use({one.digest: 3, "NOBODY": 1})
    assert (used(one), used(two)) == (start, None)
    time_machine.move_to(later := start + timedelta(minutes=2), tick=False)
    note_use({one.digest: 3, two.digest: 1, "NOBODY": 9})
    assert (used(one), used(two)) == (start, later)


def test_an_ingress_that_began_anew_counts_from_the_beginning(
    alice, counting, time_machine
):
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    key, _ = make_token(alice, "ci")
    note_use({key.digest: 8})
    time_machine.move_to(later := start + timedelta(minutes=2), tick=False)
    note_use({key.digest: 2})
    assert used(key) == later


def test_the_first_look_only_mends_never(alice, counting):
    before = timezone.now() - timedelta(days=3)
    known, _ = make_token(alice, "known")
    AccessKey.objects.filter(pk=known.pk).update(last_used_at=before)
    fresh, _ = make_token(alice, "fresh")
    note_use({known.digest: 5, fresh.digest: 5})
    assert used(known) == before
    assert used(fresh) is not None


def test_the_use_of_a_link_counts_too(alice, art, counting):
    ends = timezone.now() + timedelta(days=1)
    link, _ = sharing.share(art, alice, ends)
    note_use({})
    note_use({Pass.objects.get().digest: 1})
    assert used(link) is not None


def test_use_takes_the_same_queries_however_many(
    alice, counting, django_assert_num_queries
):
    digests = [make_token(alice, str(number))[0].digest for number in range(30)]
    note_use({})
    with django_assert_num_queries(2):
        note_use(dict.fromkeys(digests, 1))
    with django_assert_num_queries(0):
        note_use(dict.fromkeys(digests, 1))
