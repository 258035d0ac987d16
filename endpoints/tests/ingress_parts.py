"""A real HAProxy in a folder of its own, and backends that tell what reached them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from endpoints.ingress import files
from endpoints.ingress.base import IngressUnreachable, Route, Upstream
from endpoints.ingress.haproxy import HAProxyIngress
from endpoints.ingress.setup import Setup, usable
from tests.ports import free_port

COOKIES = ("alight_session", "alight_csrf")


def setup_in(folder, **changes):
    port = free_port()
    plain = Setup(
        folder=folder,
        socket=str(folder / "haproxy.sock"),
        binds=usable(("127.0.0.1", "::1")),
        port=port,
        console_hosts=("localhost", "127.0.0.1", "[::1]"),
        console_url=f"http://localhost:{port}/",
        scheme="http",
        web_socket=str(folder / "web.sock"),
        cookies=COOKIES,
        pass_cookie="alight_pass",
        worker_socket=str(folder / "worker.sock"),
        slots=6,
        servers=3,
        connections=200,
    )
    return replace(plain, **changes)


class Running:
    """HAProxy as a process of this test, and the ingress that speaks to it."""

    def __init__(self, setup):
        self.setup = setup
        self.ingress = HAProxyIngress(setup)
        self.url = f"http://127.0.0.1:{setup.port}"
        self._process = None

    def start(self):
        log = self.setup.folder / "haproxy.log"
        command = ["haproxy", "-db", "-f", str(self.setup.folder / files.CONFIG)]
        with log.open("ab") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out)
        while True:
            try:
                self.ingress.traffic()
            except IngressUnreachable:
                try:
                    self._process.wait(0.02)
                except subprocess.TimeoutExpired:
                    continue
                pytest.fail(f"haproxy ended at once:\n{log.read_text()}")
            return

    def kill(self):
        """As a crash would: it has no time to say goodbye."""
        self._process.kill()
        self._process.wait()


@contextmanager
def running(**changes):
    """A started HAProxy with no routes. Its folder's path is short enough."""
    folder = Path(tempfile.mkdtemp(prefix="alight-ing-"))
    haproxy = Running(setup_in(folder, **changes))
    try:
        files.write_all(haproxy.setup, [])
        haproxy.start()
        yield haproxy
    finally:
        haproxy.kill()
        shutil.rmtree(folder)


@pytest.fixture
def haproxy():
    with running() as one:
        yield one


class Backend:
    """One replica: says who it is, what it got, and waits where it is told to."""

    def __init__(self, name):
        self.name = name
        self.release = asyncio.Event()
        self.reached = asyncio.Semaphore(0)
        self.left = 0

    async def start(self, path=None):
        app = web.Application(client_max_size=1 << 30)
        app.router.add_get("/who", self._who)
        app.router.add_get("/hold", self._hold)
        app.router.add_get("/events", self._events)
        app.router.add_get("/socket", self._socket)
        app.router.add_route("*", "/leave", self._leave)
        app.router.add_get("/failing", self._failing)
        app.router.add_get("/cookies", self._cookies)
        app.router.add_route("*", "/echo", self._echo)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        if path:
            await web.UnixSite(self._runner, path).start()
            return self
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def stop(self):
        self.release.set()
        await self._runner.cleanup()

    def upstream(self, key=""):
        return Upstream(key or f"{self.name}.1", "127.0.0.1", self.port)

    async def _who(self, request):
        return web.Response(text=self.name)

    async def _hold(self, request):
        self.reached.release()
        await self.release.wait()
        return web.Response(text=self.name)

    async def _events(self, request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: first\n\n")
        await self.release.wait()
        await response.write(b"data: last\n\n")
        return response

    async def _socket(self, request):
        server = web.WebSocketResponse()
        await server.prepare(request)
        async for message in server:
            await server.send_str(f"{self.name}: {message.data}")
        return server

    async def _leave(self, request):
        await request.read()
        self.left += 1
        request.transport.abort()
        return web.Response()

    async def _failing(self, request):
        return web.Response(status=503, text="the replica's own words")

    async def _cookies(self, request):
        answer = web.Response()
        answer.headers.add(
            "Set-Cookie", "theme=dark; Domain =.localhost; Path=/; HttpOnly"
        )
        answer.headers.add("Set-Cookie", "size=9; domain=localhost; DOMAIN=example")
        if request.query_string == "many":
            answer.headers.clear()
            domains = "; Domain=localhost" * 3
            answer.headers.add("Set-Cookie", f"a=1{domains}")
        elif request.query_string:
            answer.headers.add("Set-Cookie", "ALIGHT_pass=mine; Path=/")
        return answer

    async def _echo(self, request):
        body = await request.read()
        digest = hashlib.sha256(body).hexdigest()
        headers = [[name.lower(), value] for name, value in request.headers.items()]
        told = {"headers": headers, "size": len(body), "sha256": digest}
        return web.Response(text=json.dumps(told))


@pytest.fixture
async def backend():
    """Makes started backends by name; all are stopped after the test."""
    made = []

    async def make(name, path=None):
        made.append(await Backend(name).start(path))
        return made[-1]

    yield make
    for one in made:
        await one.stop()


@pytest.fixture
async def visitor(haproxy):
    """A client of that HAProxy, named by host in each call."""
    async with Visitor(haproxy) as one:
        yield one


class Visitor:
    """Someone who calls endpoints by their host."""

    def __init__(self, haproxy):
        self._url = haproxy.url

    async def __aenter__(self):
        # A cookie jar would keep what tests set by hand.
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *error):
        await self._session.close()

    async def get(self, name, path="/who", **headers):
        """Status, headers and text of one GET."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        async with self.call(name, path, headers=sent) as answer:
            return answer.status, answer.headers, await answer.text()

    async def who(self, name):
        """Which backend answered, or the code of the error."""
        status, _, text = await self.get(name)
        return text if status == 200 else json.loads(text)["error"]["code"]

    async def headers_at(self, name, headers):
        """What a replica sees of these headers, as a list of pairs."""
        async with self.call(name, "/echo", headers=headers) as answer:
            return json.loads(await answer.text())["headers"]

    def call(self, name, path, method="GET", headers=(), **more):
        return self._session.request(
            method, self._url + path, headers=_with_host(name, headers), **more
        )

    def socket(self, name, headers=()):
        return self._session.ws_connect(
            self._url + "/socket", headers=_with_host(name, headers)
        )


def _with_host(name, headers):
    pairs = list(headers.items()) if hasattr(headers, "items") else list(headers)
    whole = "." in name or ":" in name or name == "localhost"
    return [("Host", name if whole else f"{name}.localhost"), *pairs]


def public(name, *upstreams, **changes):
    """A route that holds no request, where a test does not ask for it."""
    host = f"{name}.localhost"
    return replace(
        Route(name, host, True, "starting", tuple(upstreams), hold=0), **changes
    )


def private(name, *upstreams, **changes):
    return replace(public(name, *upstreams, **changes), public=False)


async def eventually(look, wanted):
    """Until `look()` answers that: for numbers that no event announces."""
    async with asyncio.timeout(60):
        while (now := look()) != wanted:  # noqa: ASYNC110 (HAProxy has no event)
            await asyncio.sleep(0.01)
    return now


class Worker:
    """Where HAProxy asks for replicas: notes who was woken, and does what it is told.

    `on_wake(name)` runs at each call; `woken` are the names, in order.
    """

    def __init__(self):
        self.woken = []
        self.asked = asyncio.Semaphore(0)
        self.on_wake = lambda name: None
        self._acts = []

    async def start(self, path):
        app = web.Application()
        app.router.add_post("/wake", self._wake)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.UnixSite(self._runner, path).start()

    async def stop(self):
        """Also what it does for somebody who does not wait for it any longer."""
        await self._runner.cleanup()
        await asyncio.gather(*self._acts, return_exceptions=True)

    async def _wake(self, request):
        name = (await request.json())["name"]
        self.woken.append(name)
        act = asyncio.create_task(asyncio.to_thread(self.on_wake, name))
        self._acts.append(act)
        await asyncio.shield(act)
        self.asked.release()
        return web.json_response({})


@pytest.fixture
async def worker(haproxy):
    one = Worker()
    await one.start(haproxy.setup.worker_socket)
    yield one
    await one.stop()
