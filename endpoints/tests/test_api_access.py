"""Tokens and share links by the API."""

from datetime import timedelta

import pytest
from django.utils import timezone

from endpoints.keys import digest_of
from endpoints.models import AccessKey, Event, ShareLink
from endpoints.tests.factories import EndpointFactory, caller
from endpoints.tests.gates import at_once, gates

__all__ = ["at_once", "gates"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def art(alice, gates):
    endpoint = EndpointFactory(name="art", owner=alice)
    gates.open(endpoint)
    return endpoint


@pytest.fixture
def api(alice):
    return caller(alice)


@pytest.fixture
def post(api, at_once):
    def send(path, client=api, **body):
        return at_once(client.post, f"/v1/{path}", body, format="json")

    return send


def problem(answer, field):
    assert answer.status_code == 400, answer.content
    return answer.json()["error"]["fields"][field]


# --- Tokens ------------------------------------------------------------------------
def test_a_token_is_made_and_told_once(api, post, alice, art, gates):
    EndpointFactory(name="chat", owner=alice)
    answer = post("tokens", name="ci", scope="call-some", endpoints=["art"])
    assert answer.status_code == 201
    made = answer.json()
    assert made["token"].startswith("alt_")
    assert (made["scope"], made["endpoints"]) == ("call-some", ["art"])
    assert (made["expires_at"], made["last_used_at"]) == (None, None)
    assert gates.let_in(art) == {digest_of(made["token"])}
    listed = {one["name"]: one for one in api.get("/v1/tokens").json()}
    del made["token"]
    assert listed["ci"] == made
    assert listed["test"]["scope"] == "manage"
    assert listed["test"]["last_used_at"] is not None


def test_one_that_only_calls_is_what_is_made_where_nothing_is_said(post):
    made = post("tokens", name="ci").json()
    assert (made["scope"], made["endpoints"]) == ("call-all", [])


def test_a_token_that_ends(post, alice):
    ends = timezone.now() + timedelta(days=30)
    made = post("tokens", name="ci", expires_at=ends.isoformat()).json()
    assert AccessKey.objects.get(pk=made["id"]).expires_at == ends


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"name": " "}, "name", "Give the token a name."),
        ({"name": "x" * 81}, "name", "80 characters"),
        ({"scope": "all"}, "scope", "Choose manage or call-all or call-some."),
        ({"scope": "call-some"}, "endpoints", "Name at least one endpoint"),
        ({"endpoints": ["art"]}, "endpoints", 'for the scope "call-some" only'),
        (
            {"scope": "call-some", "endpoints": ["art", "bobs"]},
            "endpoints",
            'You have no endpoint "bobs".',
        ),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at", "still to come"),
        ({"expires_at": "tomorrow"}, "expires_at", "Write a time as in ISO 8601"),
    ],
)
def test_what_a_token_may_not_be(post, bob, art, body, field, says):
    EndpointFactory(name="bobs", owner=bob)
    before = AccessKey.objects.count()
    answer = post("tokens", **{"name": "ci", **body})
    assert says in " ".join(problem(answer, field))
    assert AccessKey.objects.count() == before


def test_a_token_is_revoked_at_once(api, post, art, gates, at_once):
    made = post("tokens", name="ci").json()
    path = f"/v1/tokens/{made['id']}"
    assert at_once(api.delete, path).status_code == 204
    assert digest_of(made["token"]) not in gates.let_in(art)
    assert api.delete(path).status_code == 404
    assert made["id"] not in [one["id"] for one in api.get("/v1/tokens").json()]


def test_tokens_of_others_are_not_there(api, bob):
    caller(bob)
    key = AccessKey.objects.get(owner=bob)
    assert api.delete(f"/v1/tokens/{key.pk}").status_code == 404
    assert len(api.get("/v1/tokens").json()) == 1


def test_the_list_takes_the_same_queries_however_long(
    api, post, art, django_assert_max_num_queries
):
    for number in range(20):
        post("tokens", name=str(number), scope="call-some", endpoints=["art"])
    with django_assert_max_num_queries(4):
        assert len(api.get("/v1/tokens").json()) == 21


# --- Share links --------------------------------------------------------------------
def test_a_link_is_made_and_told_once(api, post, art, gates):
    made = post("endpoint/art/share-links", name="grace").json()
    assert made["url"].startswith(f"{art.url}/-/alight/share/")
    assert len(gates.let_in(art)) == 1
    row = ShareLink.objects.get()
    week = timezone.now() + timedelta(days=7)
    assert abs(row.expires_at - week) < timedelta(minutes=1)
    secret = made.pop("url").rpartition("/")[2]
    assert made["last_four"] == secret[-4:]
    assert secret not in str(vars(row))
    assert api.get("/v1/endpoint/art/share-links").json() == [made]
    event = Event.objects.get()
    assert (event.reason, event.actor) == ("Shared", "alice")
    assert event.message == f"For grace, until {row.expires_at:%-d %b %Y, %H:%M} UTC."
    assert secret not in event.message


def test_a_link_is_revoked_at_once(api, post, art, gates, at_once):
    kept = post("endpoint/art/share-links").json()
    made = post("endpoint/art/share-links", name="grace").json()
    path = f"/v1/endpoint/art/share-links/{made['id']}"
    assert at_once(api.delete, path).status_code == 204
    assert len(gates.let_in(art)) == 1
    assert [one["id"] for one in api.get("/v1/endpoint/art/share-links").json()] == [
        kept["id"]
    ]
    assert api.delete(path).status_code == 404
    assert Event.objects.get(reason="ShareRevoked").message == "It was for grace."


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"name": "x" * 81}, "name", "80 characters"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at", "still to come"),
        ({"expires_at": "2999-01-01T00:00:00Z"}, "expires_at", "within a year"),
    ],
)
def test_what_a_link_may_not_be(post, art, body, field, says):
    answer = post("endpoint/art/share-links", **body)
    assert says in " ".join(problem(answer, field))
    assert not ShareLink.objects.exists()


def test_expired_links_are_not_listed(api, post, art, time_machine):
    post("endpoint/art/share-links")
    time_machine.move_to(timezone.now() + timedelta(days=8))
    assert api.get("/v1/endpoint/art/share-links").json() == []


def test_links_of_others_are_not_there(bob, post, art, at_once):
    link = post("endpoint/art/share-links").json()["id"]
    other = caller(bob)
    mine = EndpointFactory(name="bobs", owner=bob)
    assert other.get("/v1/endpoint/art/share-links").status_code == 404
    assert other.post("/v1/endpoint/art/share-links").status_code == 404
    for name in ("art", mine.name):
        path = f"/v1/endpoint/{name}/share-links/{link}"
        assert other.delete(path).status_code == 404
    assert ShareLink.objects.usable().count() == 1


def test_one_that_is_being_deleted_is_not_shared(post, alice):
    EndpointFactory(name="gone", owner=alice, deleting=True)
    assert post("endpoint/gone/share-links").status_code == 409
