"""Viewers who come, wait and go: nothing times out, nothing is left behind."""

import asyncio
import json

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async

from replicas import fragments
from replicas.engine import streams
from replicas.logs import courier, store
from replicas.logs import reader as log_reader
from replicas.logs.reader import LogReader
from replicas.models import Replica
from replicas.news.hub import hub
from replicas.tests import sockets
from replicas.tests.sockets import PATIENCE, Socket

pytestmark = [pytest.mark.valkey, pytest.mark.django_db(transaction=True)]
drawing = pytest.fixture(sockets.drawing)
_still = pytest.fixture(sockets.still, autouse=True)


@pytest.fixture(autouse=True)
def log_dir(settings, tmp_path):
    settings.ALIGHT_LOG_DIR = tmp_path / "logs"


async def leave(socket):
    await socket.send_input({"type": "websocket.disconnect", "code": 1001})
    await socket.wait(PATIENCE)


async def watch(alice):
    """A page with its log open, which has been told what there is."""
    socket = Socket(alice, "/ws/endpoints/drawing/")
    await socket.open()
    await socket.say({"have": {}})
    await socket.say({"logs": {"cursors": {}}})
    await socket.heard("backlog")
    return socket


class Left:
    """What is there of this process's that a viewer may leave behind."""

    @classmethod
    async def now(cls, valkey):
        made = cls()
        made.tasks = len(asyncio.all_tasks())
        made.listeners = sum(map(len, hub()._listeners.values()))
        clients = await sync_to_async(valkey.client_list)()
        # Those that wait for news; others are lent to whoever asks something.
        made.waiting = {
            client["id"]
            for client in clients
            if client["cmd"].startswith("xread") or client["sub"] != "0"
        }
        made.connections = len(made.waiting)
        made.channels = len(await sync_to_async(valkey.pubsub_channels)())
        return made

    def seen(self):
        return {key: many for key, many in vars(self).items() if key != "waiting"}


async def settled(valkey, wanted):
    """Nothing more than `wanted` is left; Valkey hears of an end a moment later."""
    for _ in range(PATIENCE * 20):
        left = await Left.now(valkey)
        if all(left.seen()[key] <= wanted.seen()[key] for key in wanted.seen()):
            return
        await asyncio.sleep(0.05)
    assert left.seen() == wanted.seen()


async def test_a_hundred_viewers_leave_nothing_behind(
    valkey, drawing, alice, monkeypatch
):
    # A hundred pictures would only cost time.
    monkeypatch.setattr(fragments, "draw", lambda *_: {})
    for name in ("endpoint_context", "charts_context"):
        monkeypatch.setattr(fragments, name, lambda *_, **__: {})
    replica = await Replica.objects.aget(endpoint=drawing)
    write = database_sync_to_async(store.system)
    await write(drawing.pk, replica.pk, 1, "Container started.")
    # What the process keeps for good is there once somebody has come and gone.
    await leave(await watch(alice))
    before = await Left.now(valkey)
    viewers = await asyncio.gather(*(watch(alice) for _ in range(100)))
    there = await Left.now(valkey)
    assert there.tasks >= before.tasks + 100
    assert there.listeners >= before.listeners + 100
    # One of the first viewer's may still be counted: Valkey hears of its end later.
    assert there.waiting - before.waiting
    await write(drawing.pk, replica.pk, 1, "Port 3000 answered.")
    heard = await asyncio.gather(*(viewer.heard("lines") for viewer in viewers))
    assert {one["lines"][0]["text"] for one in heard} == {"Port 3000 answered."}
    await asyncio.gather(*map(leave, viewers))
    await settled(valkey, before)


async def test_however_long_it_is_silent_the_next_line_comes(
    valkey, drawing, monkeypatch
):
    """Every wait on the way is made so short that a hundred of them pass, as they would
    in hours: none of them ends anything."""
    monkeypatch.setattr(log_reader, "_LOOK_SECONDS", 0.005)
    monkeypatch.setattr(courier, "_WAIT_MS", 5)
    replica = await Replica.objects.aget(endpoint=drawing)
    reader = LogReader(drawing.pk)
    waits, many = 0, asyncio.Event()
    await reader.backlog()
    loop, read = asyncio.get_running_loop(), reader._read

    def counted(*args):
        nonlocal waits
        waits += 1
        if waits == 100:
            loop.call_soon_threadsafe(many.set)
        return read(*args)

    monkeypatch.setattr(reader, "_read", counted)
    messages = reader.follow()
    coming = asyncio.ensure_future(anext(messages))
    async with asyncio.timeout(PATIENCE):
        await many.wait()
        assert not coming.done()
        await database_sync_to_async(store.system)(drawing.pk, replica.pk, 1, "At last")
        message = await coming
        while not message["lines"]:  # a log that was only just made
            message = await anext(messages)
    assert [line["text"] for line in message["lines"]] == ["At last"]
    await messages.aclose()
    await reader.close()


class _Silent:
    """An engine that answers and then says nothing; notes how long it may do so."""

    def __init__(self):
        self.silences = []

    def open(self, method, path, *, params=None, silence=None, **rest):
        self.silences.append((path.rpartition("/")[2], silence))
        raise streams.errors.Gone("")

    async def json(self, path, **rest):
        return {"State": {"Running": False}}


async def test_a_silent_container_is_read_for_ever(monkeypatch):
    made = streams.DockerStreams("unix:///run/nobody.sock")
    wire = made._wire = made._plain = _Silent()
    assert [batch async for batch in made.log_batches("c", since=0)] == []
    assert wire.silences
    assert {silence for _, silence in wire.silences} == {None}
    assert json.dumps(wire.silences).count("logs") == len(wire.silences)
