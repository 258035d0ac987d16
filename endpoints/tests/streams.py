"""A caller of the console's ASGI application who keeps listening."""

import asyncio
import json
from contextlib import asynccontextmanager

from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application

# Long enough for a busy machine; nothing waits that long unless it is broken.
PATIENCE = 60


class Listener:
    """An open answer: `status`, `headers`, and its lines one by one."""

    def __init__(self, communicator):
        self._communicator = communicator
        self._rest = b""
        self._lines = []
        self.status = 0
        self.headers = {}

    async def start(self):
        message = await self._communicator.receive_output(PATIENCE)
        self.status = message["status"]
        self.headers = {k.decode(): v.decode() for k, v in message["headers"]}

    async def line(self):
        """The next line as bytes; None when the answer has ended."""
        while not self._lines:
            message = await self._communicator.receive_output(PATIENCE)
            whole = self._rest + message.get("body", b"")
            *self._lines, self._rest = whole.split(b"\n")
            if not message.get("more_body") and not self._lines:
                return None
        return self._lines.pop(0)

    async def next(self):
        """The next object; empty lines are skipped."""
        while (line := await self.line()) == b"":
            pass
        return None if line is None else json.loads(line)

    async def leave(self):
        """The caller goes away; returns when the application has noticed."""
        await self._communicator.send_input({"type": "http.disconnect"})
        async with asyncio.timeout(PATIENCE):
            await self._communicator.wait(PATIENCE)


@asynccontextmanager
async def listening(path, token, *, accept="*/*"):
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [
            (b"host", b"localhost"),
            (b"accept", accept.encode()),
            (b"authorization", f"Bearer {token}".encode()),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    communicator = ApplicationCommunicator(get_asgi_application(), scope)
    await communicator.send_input({"type": "http.request", "body": b""})
    listener = Listener(communicator)
    await listener.start()
    try:
        yield listener
    finally:
        if not communicator.future.done():
            await listener.leave()
