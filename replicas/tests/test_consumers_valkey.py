"""The socket on a real Valkey: numbers, resuming, lost news, logs."""

import json

import pytest
from channels.db import database_sync_to_async

from endpoints import live, services
from endpoints.live import seq_key
from replicas import progress
from replicas.logs import store
from replicas.models import Replica
from replicas.news import hub
from replicas.tests import sockets
from replicas.tests.sockets import update

pytestmark = [pytest.mark.valkey, pytest.mark.django_db(transaction=True)]
calls = pytest.fixture(sockets.calls)
drawing = pytest.fixture(sockets.drawing)
_still = pytest.fixture(sockets.still, autouse=True)


def told_at(page):
    """The numbers that a page was drawn at."""
    return json.loads(page.context["seqs_json"])


async def drawn(async_client, user, path="/endpoints/drawing/"):
    await async_client.aforce_login(user)
    return await async_client.get(path)


async def test_a_page_that_missed_nothing_is_sent_nothing(
    valkey,
    calls,
    drawing,
    alice,
    async_client,
):
    valkey.set(seq_key(live.endpoint_topic(drawing.pk)), 41)
    page = await drawn(async_client, alice)
    socket = await calls(alice, have=told_at(page))
    first = await socket.next()
    assert (first["kind"], first["seq"]) == ("current", 41)


async def test_a_page_that_missed_something_gets_all_of_it(
    valkey,
    calls,
    drawing,
    alice,
    async_client,
):
    page = await drawn(async_client, alice)
    valkey.incr(seq_key(live.endpoint_topic(drawing.pk)))
    socket = await calls(alice, have=told_at(page))
    first = await socket.first()
    assert first["seq"] == 1


async def test_a_verb_reaches_the_page(
    valkey,
    calls,
    drawing,
    alice,
):
    socket = await calls(alice, have={})
    await socket.first()
    await database_sync_to_async(services.pause)(drawing, "alice")
    html = (await socket.heard("state"))["html"]
    assert "Pausing" in html["ep-panel"]
    assert "Paused" in html["ep-activity"]


async def test_progress_is_on_the_page_and_on_the_socket(
    valkey,
    calls,
    drawing,
    alice,
    async_client,
):
    replica = await Replica.objects.aget(endpoint=drawing)
    await update(Replica.objects.all(), state="pulling")
    socket = await calls(alice, have={})
    await socket.first()
    seen = {"replica": replica.pk, "state": "pulling", "part": 0.42,
            "label": "Pulling 42%"}  # fmt: skip
    await database_sync_to_async(progress.write)(drawing.pk, seen)
    assert (await socket.heard("progress"))["data"] == seen
    page = await drawn(async_client, alice)
    assert "Pulling 42%" in page.content.decode()


async def test_lost_news_is_mended_by_the_next_check(
    valkey,
    calls,
    drawing,
    alice,
    monkeypatch,
):
    monkeypatch.setattr(hub, "CHECK_SECONDS", 0.2)
    socket = await calls(alice, have={})
    await socket.first()
    await update(type(drawing).objects.filter(pk=drawing.pk), max_replicas=2)
    # Counted, but never sent: as when the channel layer's connection broke.
    valkey.incr(seq_key(live.endpoint_topic(drawing.pk)))
    assert "up to 2" in (await socket.heard("state"))["html"]["ep-scale"]


async def test_logs_come_over_the_same_socket(
    valkey,
    calls,
    drawing,
    alice,
):
    replica = await Replica.objects.aget(endpoint=drawing)
    write = database_sync_to_async(store.system)
    await write(drawing.pk, replica.pk, 1, "Container started.")
    socket = await calls(alice, have={})
    await socket.first()
    await socket.say({"logs": {"cursors": {}}})
    backlog = await socket.heard("backlog")
    assert [line["text"] for line in backlog["lines"]] == ["Container started."]
    await write(drawing.pk, replica.pk, 1, "Port 3000 answered.")
    live_lines = await socket.heard("lines")
    assert [line["text"] for line in live_lines["lines"]] == ["Port 3000 answered."]
    await socket.say({"logs": {"cursors": backlog["cursors"]}})
    again = await socket.heard("backlog")
    assert [line["text"] for line in again["lines"]] == ["Port 3000 answered."]
