"""POSTs sent at the moment an app closes its idle connection: how many fail.

    .venv/bin/python benchmarks/bench_ingress_idle.py [--closes-after 2] [--seconds 20]

An app that closes connections idle for so long is asked again and again just then, by
clients that keep their own connections. A POST must not be sent twice, so one that
meets a closing connection is lost: the ingress has to close first. Good is 0 failed.
Prints one JSON object, with the longest time after which a connection was used again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import benchmarks.edge  # noqa: F401  # first: it tells Django which settings
from endpoints.ingress import files
from endpoints.ingress.base import Upstream
from endpoints.tests.ingress_parts import Running, public, setup_in

BODY = b"once"
# How far round the moment of closing the requests come.
SPREAD = 0.02


@dataclass
class Seen:
    answered: int = 0
    failed: int = 0
    connections_to_the_app: int = 0
    longest_unused_seconds: float = 0.0


class App(asyncio.Protocol):
    """Answers each request, and closes a connection that nobody uses."""

    def __init__(self, seen: Seen, closes_after: float) -> None:
        self.seen = seen
        self.closes_after = closes_after
        self.got = b""
        self.closing: asyncio.TimerHandle | None = None
        self.unused_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.seen.connections_to_the_app += 1

    def data_received(self, data: bytes) -> None:
        if self.closing:
            self.closing.cancel()
            self.closing = None
            unused = time.monotonic() - self.unused_since
            longest = max(self.seen.longest_unused_seconds, round(unused, 3))
            self.seen.longest_unused_seconds = longest
        self.got += data
        if not self.got.endswith(BODY):
            return
        self.got = b""
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        loop = asyncio.get_running_loop()
        self.unused_since = time.monotonic()
        self.closing = loop.call_later(self.closes_after, self.transport.close)

    def connection_lost(self, error: Exception | None) -> None:
        if self.closing:
            self.closing.cancel()


async def client(port: int, seen: Seen, every: float, until: float) -> None:
    head = f"POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: {len(BODY)}\r\n"
    request = f"{head}\r\n".encode() + BODY
    await asyncio.sleep(random.uniform(0, every))
    while time.monotonic() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while time.monotonic() < until:
                writer.write(request)
                answer = await reader.readuntil(b"\r\n\r\n")
                size = re.search(rb"(?i)content-length: (\d+)", answer)
                await reader.readexactly(int(size[1]) if size else 0)
                seen.answered += answer.startswith(b"HTTP/1.1 200")
                seen.failed += not answer.startswith(b"HTTP/1.1 200")
                await asyncio.sleep(every + random.uniform(-SPREAD, SPREAD))
        except (asyncio.IncompleteReadError, ConnectionError):
            seen.failed += 1
        writer.close()


async def measure(haproxy: Running, args: argparse.Namespace) -> Seen:
    seen = Seen()
    loop = asyncio.get_running_loop()
    app = await loop.create_server(lambda: App(seen, args.closes_after), "127.0.0.1", 0)
    port = app.sockets[0].getsockname()[1]
    haproxy.ingress.apply(public("app", Upstream("1.1", "127.0.0.1", port)))
    until = time.monotonic() + args.seconds
    to = haproxy.setup.port
    clients = (client(to, seen, args.closes_after, until) for _ in range(args.clients))
    await asyncio.gather(*clients)
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--closes-after", type=float, default=2)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="alight-b-"))
    haproxy = Running(setup_in(folder, connections=2 * args.clients + 50))
    files.write_all(haproxy.setup, [])
    haproxy.start()
    try:
        seen = asyncio.run(measure(haproxy, args))
    finally:
        haproxy.kill()
        shutil.rmtree(folder)
    print(json.dumps({"options": vars(args), **asdict(seen)}, indent=2))


if __name__ == "__main__":
    main()
