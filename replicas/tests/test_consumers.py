"""A page's socket: who may listen, what it is told, and what it is spared.

The channel layer is in memory here; test_consumers_valkey.py has the real one.
"""

import asyncio

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from endpoints import live
from endpoints.models import Endpoint
from endpoints.steps import Reason
from endpoints.tests.factories import EndpointFactory, EventFactory
from replicas import fragments
from replicas.consumers import live as pages
from replicas.models import Replica
from replicas.news import hub
from replicas.news.pictures import COUNTING, Picture
from replicas.tests import sockets
from replicas.tests.factories import NodeFactory, ReplicaFactory
from replicas.tests.sockets import news, update

pytestmark = pytest.mark.django_db(transaction=True)
calls = pytest.fixture(sockets.calls)
drawing = pytest.fixture(sockets.drawing)
_still = pytest.fixture(sockets.still, autouse=True)


@pytest.fixture(autouse=True)
def no_numbers(monkeypatch):
    """As while Valkey is away, whether or not another test left one running."""
    monkeypatch.setattr(hub, "current", lambda topics: {})
    # Each check would draw all pages anew.
    monkeypatch.setattr(hub, "CHECK_SECONDS", 10**9)


# --- Who may listen ------------------------------------------------------------
async def test_charlie_is_refused(calls, drawing, charlie):
    assert await (await calls(charlie)).closed() == 4403


async def test_an_unknown_endpoint_is_not_there(calls, alice):
    assert await (await calls(alice, "/ws/endpoints/nothing/")).closed() == 4404


@pytest.mark.parametrize("path", ["/ws/endpoints/drawing/", "/ws/endpoints/"])
async def test_the_signed_out_are_refused(calls, drawing, path):
    assert await (await calls(AnonymousUser(), path)).closed() == 4401


async def test_a_refused_socket_is_told_nothing_when_it_goes_on(
    calls, drawing, charlie
):
    socket = await calls(charlie)
    await socket.closed()
    await socket.say({"have": {}})
    await socket.say({"open": 1, "logs": {"cursors": {}}})
    assert await socket.receive_nothing()


def sign_out(alice, session):
    session.delete()


def deactivate(alice, session):
    type(alice).objects.filter(pk=alice.pk).update(is_active=False)


def change_password(alice, session):
    alice.set_password("another one")
    alice.save()


@pytest.mark.parametrize("end", [sign_out, deactivate, change_password])
async def test_a_session_that_ended_closes_the_socket(
    calls, drawing, alice, client, monkeypatch, end
):
    monkeypatch.setattr(pages, "PING_SECONDS", 0.05)
    await database_sync_to_async(client.force_login)(alice)
    session = await database_sync_to_async(lambda: client.session)()
    socket = await calls(alice, have={}, session=session)
    await socket.first()
    await database_sync_to_async(end)(alice, session)
    assert await socket.closed() == 4401


async def test_what_is_not_json_is_passed_over(calls, drawing, alice):
    socket = await calls(alice)
    await socket.send_input({"type": "websocket.receive", "text": "{"})
    await socket.say({"have": {}})
    await socket.heard("state")


# --- The snapshot ------------------------------------------------------------
async def test_the_first_picture_is_what_the_page_shows(
    calls, drawing, alice, async_client
):
    await async_client.aforce_login(alice)
    page = (await async_client.get("/endpoints/drawing/")).content.decode()
    socket = await calls(alice, have={})
    message = await socket.first()
    assert message["topic"] == live.endpoint_topic(drawing.pk)
    wanted = {**fragments.ENDPOINT_FRAGMENTS, **fragments.HARDWARE_FRAGMENTS}
    assert message["html"].keys() == wanted.keys()
    still = COUNTING.sub(r"\1", page)
    for element, html in message["html"].items():
        assert f'id="{element}"' in html
        if element not in fragments.HARDWARE_FRAGMENTS:
            assert COUNTING.sub(r"\1", html) in still


async def test_there_is_no_news_before_the_page_says_what_it_has(calls, drawing, alice):
    socket = await calls(alice)
    assert await socket.receive_nothing()


@pytest.mark.parametrize("odd", [[], "x", {"have": []}, {"have": {}, "open": "1"}, {}])
async def test_odd_messages_do_no_harm(calls, drawing, alice, odd):
    socket = await calls(alice)
    await socket.say(odd)
    await socket.say({"have": {}})
    assert await socket.heard("state")


# --- News ------------------------------------------------------------
async def test_a_change_sends_only_what_differs(calls, drawing, alice):
    socket = await calls(alice, have={})
    await socket.first()
    await update(Endpoint.objects.filter(pk=drawing.pk), max_replicas=2)
    await news(live.endpoint_topic(drawing.pk), 7)
    message = await socket.heard("state")
    # Scale words, slots and configuration; not the activity nor the URL.
    assert message["html"].keys() == {"ep-scale", "ep-panel", "ep-config"}
    assert message["seq"] == 7


def test_another_second_is_no_news():
    page = pages.LiveConsumer()
    page.sent = {}

    def differs(text):
        return page.changed(Picture({"a": text}, "endpoint.1", {}, None)) == ("a",)

    first = '<p id="a">Starting <span data-for="T" data-fine="600">1 s</span></p>'
    assert differs(first)
    assert not differs(first.replace("1 s", "2 s"))
    assert differs(first.replace("Starting", "Ready"))


async def test_many_changes_become_few_pictures_and_the_last_is_shown(
    calls, drawing, alice
):
    socket = await calls(alice, have={})
    await socket.first()
    topic = live.endpoint_topic(drawing.pk)
    for seq in range(1, 41):
        await update(Endpoint.objects.filter(pk=drawing.pk), description=str(seq))
        await update(Replica.objects.filter(endpoint=drawing), number=seq)
        await news(topic, seq)
    pictures, last = 0, ""
    while "Replica 40" not in last:
        last = (await socket.heard("state"))["html"].get("ep-panel", "")
        pictures += 1
    assert pictures < 40


async def test_progress_goes_straight_through(calls, drawing, alice):
    socket = await calls(alice, have={})
    await socket.first()
    data = {"replica": 1, "state": "pulling", "part": 0.5}
    await news(live.endpoint_topic(drawing.pk), 3, "progress", data)
    message = await socket.heard("progress")
    assert (message["data"], message["seq"]) == (data, 3)


async def test_a_hole_in_the_numbers_draws_again(calls, drawing, alice):
    socket = await calls(alice, have={})
    await socket.first()
    topic = live.endpoint_topic(drawing.pk)
    await news(topic, 3, "progress", {"replica": 1})
    await socket.heard("progress")
    await update(Endpoint.objects.filter(pk=drawing.pk), max_replicas=2)
    await news(topic, 5, "progress", {"replica": 1})
    assert "up to 2" in (await socket.heard("state"))["html"]["ep-scale"]


async def test_a_deleted_endpoint_is_gone_once(calls, drawing, alice):
    socket = await calls(alice, have={})
    await socket.first()
    await database_sync_to_async(Endpoint.objects.all().delete)()
    await news(live.endpoint_topic(drawing.pk), 9)
    assert await socket.heard("gone")
    assert await socket.closed() == 4404


async def test_an_endpoint_that_was_given_away_is_gone(calls, drawing, alice, charlie):
    socket = await calls(alice, have={})
    await socket.first()
    await update(Endpoint.objects.filter(pk=drawing.pk), owner=charlie)
    await news(live.endpoint_topic(drawing.pk), 9)
    assert await socket.heard("gone")


async def test_an_engine_that_went_away_is_said(calls, drawing, alice):
    socket = await calls(alice, have={})
    first = (await socket.first())["html"]["engine-down"]
    assert " hidden" in first
    lost = database_sync_to_async(NodeFactory)
    await lost(name="gone", unreachable_since=timezone.now())
    await news(live.HARDWARE_TOPIC, 3)
    html = (await socket.heard("state"))["html"]
    assert html.keys() == {"engine-down"}
    assert " hidden" not in html["engine-down"]


# --- The dialog ------------------------------------------------------------
async def test_an_open_dialog_is_kept_up_to_date(calls, drawing, alice):
    replica = await Replica.objects.aget(endpoint=drawing)
    add = database_sync_to_async(EventFactory)
    await add(endpoint=drawing, replica_id=replica.pk, reason=Reason.WAITING)
    socket = await calls(alice, have={})
    await socket.first()
    await socket.say({"open": replica.pk})
    html = (await socket.heard("state"))["html"]
    assert html.keys() == {"replica-detail"}
    assert "Waiting for hardware" in html["replica-detail"]
    await add(endpoint=drawing, replica_id=replica.pk, reason=Reason.ASSIGNED)
    await news(live.endpoint_topic(drawing.pk), 5)
    html = (await socket.heard("state"))["html"]
    assert "Hardware assigned" in html["replica-detail"]
    await socket.say({"open": None})
    await add(endpoint=drawing, replica_id=replica.pk, reason=Reason.RUNNING)
    await news(live.endpoint_topic(drawing.pk), 6)
    assert "replica-detail" not in (await socket.heard("state"))["html"]


async def test_another_endpoints_replica_cannot_be_opened(
    calls, drawing, alice, charlie
):
    make = database_sync_to_async(ReplicaFactory)
    other = await make(endpoint__name="other", endpoint__owner=charlie)
    socket = await calls(alice, have={})
    await socket.first()
    await socket.say({"open": other.pk})
    await news(live.endpoint_topic(drawing.pk), 5)
    await update(Endpoint.objects.filter(pk=drawing.pk), max_replicas=2)
    await news(live.endpoint_topic(drawing.pk), 6)
    assert "replica-detail" not in (await socket.heard("state"))["html"]


# --- The list ------------------------------------------------------------
async def test_the_list_shows_mine_and_its_changes(calls, drawing, alice):
    other = await database_sync_to_async(EndpointFactory)(name="of-bob")
    socket = await calls(alice, "/ws/endpoints/", have={})
    html = (await socket.first())["html"]
    assert html.keys() == {
        *fragments.LIST_FRAGMENTS,
        *fragments.HARDWARE_FRAGMENTS,
    }
    assert "drawing" in html["list-rows"]
    assert other.name not in html["list-rows"]
    await update(Endpoint.objects.filter(pk=drawing.pk), public=True)
    await news(live.owner_topic(alice.pk), 4)
    assert "Public" in (await socket.heard("state"))["html"]["list-rows"]


async def test_the_list_hears_the_progress_of_those_on_their_way(calls, drawing, alice):
    socket = await calls(alice, "/ws/endpoints/", have={})
    await socket.first()
    topic = live.endpoint_topic(drawing.pk)
    data = {"replica": 1, "part": 0.5}

    async def tell():
        # The list joins the endpoint's group just after its first picture.
        seq = 1
        while True:
            await news(topic, seq, "progress", data)
            seq += 1
            await asyncio.sleep(0.05)

    telling = asyncio.create_task(tell())
    assert (await socket.heard("progress"))["data"] == data
    telling.cancel()


async def test_a_superuser_hears_of_everybodys(calls, drawing, alice, people):
    root = await database_sync_to_async(people)("root", is_superuser=True)
    socket = await calls(root, "/ws/endpoints/", have={})
    assert "drawing" in (await socket.first())["html"]["list-rows"]

    async def tell():
        seq = 1
        while True:
            await update(Endpoint.objects.filter(pk=drawing.pk), public=True)
            await news(live.owner_topic(alice.pk), seq)
            seq += 1
            await asyncio.sleep(0.05)

    telling = asyncio.create_task(tell())
    assert "Public" in (await socket.heard("state"))["html"]["list-rows"]
    telling.cancel()
