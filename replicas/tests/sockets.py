"""A browser's end of a page's socket, without a browser."""

from __future__ import annotations

import json

from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from django.utils import timezone

from endpoints.tests.factories import EndpointFactory
from replicas.consumers import live
from replicas.fragments import ribbons
from replicas.tests.factories import ReplicaFactory
from replicas.urls import socket_urlpatterns

PATIENCE = 60


class Socket(ApplicationCommunicator):
    """One open page of `user`."""

    def __init__(self, user, path, **scope):
        super().__init__(
            URLRouter(socket_urlpatterns),
            {
                "type": "websocket",
                "path": path,
                "query_string": b"",
                "headers": [],
                "subprotocols": [],
                "user": user,
                **scope,
            },
        )

    async def open(self):
        await self.send_input({"type": "websocket.connect"})
        answer = await self.receive_output(PATIENCE)
        assert answer["type"] == "websocket.accept"

    async def say(self, message):
        await self.send_input(
            {"type": "websocket.receive", "text": json.dumps(message)}
        )

    async def next(self):
        output = await self.receive_output(PATIENCE)
        assert output["type"] == "websocket.send", output
        return json.loads(output["text"])

    async def heard(self, kind):
        """The next message of this kind; others before it are passed over."""
        while True:
            message = await self.next()
            if message["kind"] == kind:
                return message

    async def first(self):
        """The first picture whole: its parts come as they are drawn."""
        html, message = {}, {}
        while not ("gpu-meter" in html and {"ep-panel", "list-rows"} & html.keys()):
            part = await self.heard("state")
            html |= part["html"]
            if "gpu-meter" not in part["html"]:
                message = part
        return {**message, "html": html}

    async def closed(self):
        """The code it is closed with."""
        while True:
            output = await self.receive_output(PATIENCE)
            if output["type"] == "websocket.close":
                return output["code"]


def calls():
    """A fixture's function: opens pages, ends them after the test."""
    opened = []

    async def call(user, path="/ws/endpoints/drawing/", have=None, **scope):
        socket = Socket(user, path, **scope)
        opened.append(socket)
        await socket.open()
        if have is not None:
            await socket.say({"have": have})
        return socket

    yield call
    for socket in opened:
        socket.stop(exceptions=False)


def still(monkeypatch):
    """A fixture's function: nothing comes that only the clock has changed.

    Charts turn every few seconds, the last hour of each replica turns every minute.
    """
    monkeypatch.setattr(live, "CHARTS_SECONDS", 10**9)
    began, drawn = timezone.now(), ribbons.ribbons
    monkeypatch.setattr(ribbons, "ribbons", lambda *of: drawn(*of[:-1], began))


def drawing(alice):
    """A fixture's function: Alice's endpoint with a replica on its way."""
    endpoint = EndpointFactory(name="drawing", owner=alice)
    ReplicaFactory(endpoint=endpoint, number=1, state="starting")
    return endpoint


async def news(topic, seq, kind="changed", data=None):
    await get_channel_layer().group_send(
        topic,
        {"type": "news", "topic": topic, "seq": seq, "kind": kind, "data": data or {}},
    )


update = database_sync_to_async(lambda rows, **values: rows.update(**values))
