"""HAProxy, the web process behind it, and one app, with rows that a test makes itself.

No worker, no Docker and no Valkey: what holds here holds while those are away.
"""

import asyncio
import json
import threading
from contextlib import contextmanager

from aiohttp import WSMsgType, web

from endpoints.ingress.base import Route, Upstream
from endpoints.tests.ingress_parts import running
from tests.e2e.pages_server import Pages

PAGE = """<!doctype html><title>{name}</title><h1>{name}</h1><p id="at">{at}</p>
<script>
document.title = location.hash || "no fragment";
window.socket = word => new Promise((done, fail) => {{
  const one = new WebSocket("ws://" + location.host + "/socket");
  one.onopen = () => one.send(word);
  one.onmessage = news => done(news.data);
  one.onclose = () => fail(new Error("refused"));
}});
window.ask = path => fetch(path, {{redirect: "manual"}}).then(a => a.status || a.type);
</script>"""


class App:
    """Answers every path with a page, keeps the headers, echoes on /socket."""

    def __init__(self, name):
        self.name = name
        self.seen = []

    def __enter__(self):
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, args=(ready,))
        self._thread.start()
        assert ready.wait(30)
        return self

    def __exit__(self, *error):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cookies(self):
        """Of every request so far."""
        return [value for name, value in self.seen if name == "cookie"]

    def upstream(self):
        return Upstream(f"{self.name}.1", "127.0.0.1", self.port)

    def _serve(self, ready):
        self._loop.run_until_complete(self._start())
        ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())

    async def _start(self):
        app = web.Application()
        app.router.add_get("/socket", self._socket)
        app.router.add_route("*", "/{rest:.*}", self._page)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    def _note(self, request):
        self.seen += [(n.lower(), value) for n, value in request.headers.items()]

    async def _page(self, request):
        self._note(request)
        text = PAGE.format(name=self.name, at=request.raw_path)
        headers = {"Set-Cookie": "app=own; Path=/"}
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def _socket(self, request):
        self._note(request)
        server = web.WebSocketResponse()
        await server.prepare(request)
        async for message in server:
            if message.type is WSMsgType.TEXT:
                await server.send_str(f"{self.name}: {message.data}")
        return server


class Edge:
    """The one port people use; `url` is the console's."""

    def __init__(self, haproxy):
        self.ingress = haproxy.ingress
        self.port = haproxy.setup.port
        self.runtime_socket = haproxy.setup.socket
        self.url = f"http://localhost:{self.port}"

    def of(self, endpoint, path="/"):
        return f"http://{endpoint.name}.localhost:{self.port}{path}"

    def lead(self, endpoint, app):
        """As the reconciler does once a replica is ready; nobody has a grant yet."""
        self.ingress.apply(
            Route(
                endpoint.name,
                endpoint.host,
                endpoint.public,
                "starting",
                (app.upstream(),),
            )
        )


@contextmanager
def edge(settings, monkeypatch):
    with running() as haproxy:
        settings.ALIGHT_PORT = haproxy.setup.port
        monkeypatch.setattr("endpoints.gate.get_ingress", lambda: haproxy.ingress)
        web_process = Pages(uds=haproxy.setup.web_socket)
        web_process.begin()
        try:
            yield Edge(haproxy)
        finally:
            web_process.end()


def error_of(answer):
    return json.loads(answer.text)["error"]["code"]
