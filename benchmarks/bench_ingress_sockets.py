"""Websockets through the ingress: opening one, and a message there and back.

    .venv/bin/python benchmarks/bench_ingress_sockets.py [--rounds 3000] [--open 200]

Needs haproxy; with nginx on the path it is measured as a proxy as well. Every round
sends one message of 100 bytes by each way, in an order drawn by lot, so that what else
the machine does falls on all of them alike. Prints one JSON object; times in ms.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import random
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.edge import Parts, free_port, spread, until_it_listens, ways_in
from endpoints.ingress.haproxy import HAProxyIngress

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# A masked text frame of 100 bytes; the mask is all zeros.
FRAME = bytes((0x81, 0x80 | 100)) + bytes(4) + b"m" * 100
# So many batches are compared, for the spread of the p99.
BATCHES = 10


def serve(port: int) -> None:
    """The backend: takes any socket that is offered and sends back what it gets."""
    with socket.create_server(("127.0.0.1", port), backlog=512) as listener:
        while True:
            threading.Thread(target=echo, args=(listener.accept()[0],)).start()


def echo(client: socket.socket) -> None:
    with client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = read_head(client)
        if not head:
            return
        lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        given = {key.lower(): value for key, value in lines.items()}
        accept = hashlib.sha1(given[b"sec-websocket-key"] + _MAGIC).digest()
        client.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: "
            + base64.b64encode(accept)
            + b"\r\n\r\n"
        )
        while got := client.recv(4096):
            client.sendall(got)


def read_head(stream: socket.socket) -> bytes:
    """Up to the empty line; b"" when the other side left."""
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        piece = stream.recv(4096)
        if not piece:
            return b""
        got += piece
    return got


def connect(port: int, headers: dict[str, str]) -> socket.socket:
    """A websocket. Fails when it is refused."""
    made = socket.create_connection(("127.0.0.1", port), timeout=30)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = {
        "Host": "backend.localhost",
        **headers,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
    }
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    made.sendall(f"GET / HTTP/1.1\r\n{text}\r\n".encode())
    head = read_head(made)
    if not head.startswith(b"HTTP/1.1 101 "):
        raise SystemExit(f"{headers} at {port}: {head.decode(errors='replace')}")
    return made


def there_and_back(stream: socket.socket) -> None:
    stream.sendall(FRAME)
    left = len(FRAME)
    while left:
        got = len(stream.recv(left))
        if not got:
            raise SystemExit("A socket was closed.")
        left -= got


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def told(taken: dict[str, list[float]]) -> dict[str, object]:
    """Of all messages, and by batch the p99 beside nginx's and the public way's."""
    plain = {
        name: {
            "median": round(statistics.median(values), 3),
            "p99": round(p99(values), 3),
        }
        for name, values in taken.items()
    }
    ratios = {}
    for way in taken.keys() & {"public", "private", "pass"}:
        for floor in taken.keys() & ({"nginx", "public"} - {way}):
            if (way, floor) != ("public", "public"):
                both = zip(batches(taken[way]), batches(taken[floor]), strict=True)
                ratios[f"{way}_to_{floor}_p99"] = spread(
                    [p99(one) / p99(other) for one, other in both]
                )
    return {**plain, "ratios": dict(sorted(ratios.items()))}


def batches(values: list[float]) -> list[list[float]]:
    size = len(values) // BATCHES
    return [values[n * size : (n + 1) * size] for n in range(BATCHES)]


def measure(parts: Parts, args: argparse.Namespace) -> dict[str, object]:
    backend = free_port()
    parts.run(sys.executable, __file__, "--serve", str(backend))
    until_it_listens(backend)
    rival = parts.rival(backend)
    setup, _ = parts.ingress(slots=256, servers=8, threads=args.threads)
    ways = ways_in(HAProxyIngress(setup), setup, backend, rival[0] if rival else None)
    opened: dict[str, list[float]] = {name: [] for name in ways}
    spoken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.open):
        for name in random.sample(list(ways), len(ways)):
            began = time.perf_counter()
            with connect(*ways[name]):
                opened[name].append((time.perf_counter() - began) * 1000)
    with ExitStack() as stack:
        streams = {n: stack.enter_context(connect(*ways[n])) for n in ways}
        for _ in range(args.rounds):
            for name in random.sample(list(ways), len(ways)):
                began = time.perf_counter()
                there_and_back(streams[name])
                spoken[name].append((time.perf_counter() - began) * 1000)
    return {"open_ms": told(opened), "message_ms": told(spoken)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3000)
    parser.add_argument("--open", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve)
        return
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="alight-b-"))
        found = measure(Parts(Path(folder), stack), args)
    options = {key: value for key, value in vars(args).items() if key != "serve"}
    tools = {"nginx": bool(shutil.which("nginx"))}
    print(json.dumps({"options": options, "tools": tools, **found}, indent=2))


if __name__ == "__main__":
    main()
