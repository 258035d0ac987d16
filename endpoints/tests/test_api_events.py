"""REST: the story of an endpoint, at once and as it happens."""

import pytest
from asgiref.sync import sync_to_async

from endpoints import feed, keys, live, services, timeline
from endpoints.steps import Reason
from endpoints.tests.factories import (
    AccessKeyFactory,
    EndpointFactory,
    TemplateFactory,
    TierFactory,
    UserFactory,
    caller,
)
from endpoints.tests.streams import listening


@pytest.fixture
def whisper(alice):
    return EndpointFactory(name="whisper", owner=alice)


def titles(answer):
    return [event["event"]["title"] for event in answer.json()]


# --- At once -----------------------------------------------------------------
@pytest.mark.django_db
def test_one_event_of_each_kind(alice, whisper, time_machine):
    time_machine.move_to("2026-03-01T12:00:00.25Z", tick=False)
    first = timeline.record(whisper, Reason.OPENED, actor="alice")
    second = timeline.record(
        whisper,
        Reason.START_TIMEOUT,
        "The container started but did not answer within 10 min.",
        replica_id=17,
        attempt=2,
        data={"what": "Port 3000"},
    )
    assert caller(alice).get("/v1/events/whisper").json() == [
        {
            "id": first.pk,
            "timestamp": "2026-03-01T12:00:00.250000Z",
            "replica_id": None,
            "attempt": 0,
            "actor": "alice",
            "event": {
                "type": "OpenedToPublic",
                "level": "normal",
                "title": "Opened to the public",
                "details": "Opened to the public",
            },
        },
        {
            "id": second.pk,
            "timestamp": "2026-03-01T12:00:00.250000Z",
            "replica_id": "17",
            "attempt": 2,
            "actor": "",
            "event": {
                "type": "StartTimedOut",
                "level": "warning",
                "title": "Port 3000 did not answer",
                "details": "Port 3000 did not answer. "
                "The container started but did not answer within 10 min.",
            },
        },
    ]


@pytest.mark.django_db
def test_only_what_came_after_or_of_one_replica(alice, whisper):
    first = timeline.record(whisper, Reason.WAITING, replica_id=1)
    timeline.record(whisper, Reason.ASSIGNED, replica_id=1)
    timeline.record(whisper, Reason.WAITING, replica_id=2)
    client = caller(alice)
    assert titles(client.get(f"/v1/events/whisper?after={first.pk}")) == [
        "Hardware assigned",
        "Waiting for hardware",
    ]
    assert titles(client.get("/v1/events/whisper?replica_id=1")) == [
        "Waiting for hardware",
        "Hardware assigned",
    ]
    assert titles(client.get(f"/v1/events/whisper?replica_id={2**53}")) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("after=x", "after"),
        ("after=-1", "after"),
        (f"replica_id={10**30}", "replica_id"),
        ("replica_id=", "replica_id"),
        ("replcia_id=1", "replcia_id"),
    ],
)
@pytest.mark.parametrize("tail", ["", "/stream"])
def test_a_question_that_cannot_be(alice, whisper, asked, field, tail):
    answer = caller(alice).get(f"/v1/events/whisper{tail}?{asked}")
    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [field]


@pytest.mark.django_db
@pytest.mark.parametrize("tail", ["", "/stream"])
def test_the_story_is_the_owners(alice, whisper, charlie, tail):
    assert caller(charlie).get(f"/v1/events/whisper{tail}").status_code == 404


# --- As it happens -----------------------------------------------------------
@pytest.fixture
def news(valkey):
    """The publisher of this process, on the real Valkey."""
    live.publisher.cache_clear()
    yield
    live.publisher.cache_clear()


@pytest.fixture
def token(alice):
    return AccessKeyFactory(owner=alice)


streamed = [
    pytest.mark.valkey,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("news"),
]


def marked(test):
    for mark in streamed:
        test = mark(test)
    return test


@marked
async def test_the_story_so_far_then_what_happens(whisper, token, monkeypatch):
    # Only news can bring what comes; asking again at a beat would be too late.
    monkeypatch.setattr(feed, "BEAT_SECONDS", 3600)
    record = sync_to_async(timeline.record)
    await record(whisper, Reason.WAITING, replica_id=1)
    async with listening("/v1/events/whisper/stream", token.token) as stream:
        assert stream.status == 200
        assert stream.headers["Content-Type"] == "application/x-ndjson"
        assert (await stream.next())["event"]["type"] == "WaitingForHardware"
        await record(whisper, Reason.RUNNING, replica_id=1)
        event = await stream.next()
        assert event["event"]["title"] == "Replica is running"
        assert event["replica_id"] == "1"
        await record(whisper, Reason.PAUSED, actor="alice")
        assert (await stream.next())["event"]["type"] == "Paused"


@marked
async def test_a_stream_goes_on_after_an_event(whisper, token):
    record = sync_to_async(timeline.record)
    first = await record(whisper, Reason.WAITING, replica_id=1)
    second = await record(whisper, Reason.ASSIGNED, replica_id=2)
    path = f"/v1/events/whisper/stream?after={first.pk}"
    async with listening(path, token.token) as stream:
        assert (await stream.next())["id"] == second.pk


@marked
async def test_a_quiet_stream_beats_and_ends_with_the_token(
    whisper, token, monkeypatch
):
    monkeypatch.setattr(feed, "BEAT_SECONDS", 0.05)
    async with listening("/v1/events/whisper/stream", token.token) as stream:
        assert await stream.line() == b""
        await sync_to_async(keys.revoke)(token)
        while (line := await stream.line()) is not None:
            assert line == b""


@marked
async def test_a_stream_ends_with_the_endpoint(whisper, token, monkeypatch):
    monkeypatch.setattr(feed, "BEAT_SECONDS", 0.05)
    async with listening("/v1/events/whisper/stream", token.token) as stream:
        assert await stream.line() == b""
        await sync_to_async(whisper.delete)()
        while (line := await stream.line()) is not None:
            assert line == b""


@marked
async def test_a_caller_who_left_is_forgotten(whisper, token):
    from channels.layers import get_channel_layer

    async with listening("/v1/events/whisper/stream", token.token) as stream:
        await sync_to_async(timeline.record)(whisper, Reason.PAUSED)
        await stream.next()
        await stream.leave()
        assert not get_channel_layer()._get_layer().groups


@pytest.mark.django_db(transaction=True)
async def test_without_news_the_database_is_asked(whisper, token, monkeypatch):
    """The channel layer cannot be reached at all: the stream is slower, not empty."""

    class Broken:
        async def new_channel(self):
            raise ConnectionError

    monkeypatch.setattr(feed, "get_channel_layer", Broken)
    monkeypatch.setattr(feed, "POLL_SECONDS", 0.05)
    async with listening("/v1/events/whisper/stream", token.token) as stream:
        await sync_to_async(timeline.record)(whisper, Reason.PAUSED)
        assert (await stream.next())["event"]["type"] == "Paused"


@pytest.mark.django_db(transaction=True)
async def test_a_refusal_is_json_even_where_lines_were_asked_for(whisper, token):
    path, accept = "/v1/events/nothing/stream", "application/x-ndjson"
    async with listening(path, token.token, accept=accept) as stream:
        assert stream.status == 404


# --- Account, public endpoints -----------------------------------------------
@pytest.mark.django_db
def test_account(alice, bob):
    first, again, other = (
        caller(user).get("/v1/account").json() for user in (alice, alice, bob)
    )
    assert first == again
    assert len(first["account_key"]) == 12
    assert first["account_key"] != other["account_key"]
    assert (first["name"], first["admin"]) == ("alice", False)


@pytest.mark.django_db
def test_templates_that_are_live(client, alice):
    grace = UserFactory(username="grace", is_superuser=True)
    template = TemplateFactory(name="Chat", tier=TierFactory())
    fine = {
        "owner": grace,
        "template": template,
        "template_name": "Chat",
        "public": True,
        "phase": "ready",
    }
    EndpointFactory(name="chat", **fine)
    for number, change in enumerate(
        [
            {"public": False},
            {"phase": "starting"},
            {"paused": True},
            {"deleting": True},
            {"owner": alice},
            {"template": None},
            {"template": TemplateFactory(retired=True)},
            {"template": TemplateFactory(owner=alice)},
        ]
    ):
        EndpointFactory(name=f"not-{number}", **{**fine, **change})
    answer = client.get("/v1/public-endpoints", headers={"authorization": "Bearer x"})
    assert answer.status_code == 200
    assert answer.json() == [
        {
            "name": "chat",
            "endpoint": "http://chat.localhost:8080",
            "template": "Chat",
        }
    ]


@pytest.mark.django_db
def test_what_the_verbs_tell_is_in_the_story(alice):
    TierFactory()
    client = caller(alice)
    wish = {"name": "whisper", "image_url": "lab/app:1", "port": 80}
    client.post("/v1/endpoint", wish, format="json")
    client.patch(
        "/v1/endpoint/whisper",
        {"visibility": "public", "max_replicas": 2, "description": "x"},
        format="json",
    )
    services.delete(alice.endpoint_set.get(), "alice")
    events = client.get("/v1/events/whisper").json()
    assert [event["event"]["details"] for event in events] == [
        "Made from lab/app:1",
        "Opened to the public",
        "Scale changed. Keep 0, up to 2.",
        "Settings changed. New description.",
        "Deleted",
    ]
    assert {event["actor"] for event in events} == {"alice"}
