"""Requests a second through the ingress, and what a change to it costs, in one run.

    .venv/bin/python benchmarks/bench_ingress.py [--endpoints 200] [--rounds 9]

Needs haproxy. With nginx on the path it serves the backend and is also measured as a
proxy, with keep-alive to the backend; with wrk on the path that makes the requests.
Without them an asyncio server and client stand in, which are slower than what they
measure: then only the order of magnitude counts.

Every round measures all ways, in an order drawn by lot, and ratios are taken within a
round. Beside the rate stands what a request cost the proxy's own process in processor
time, which what else the machine does hardly touches. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.edge import (
    Parts,
    free_port,
    memory_mb,
    processor_seconds,
    ratios,
    route,
    until_it_listens,
    ways_in,
)
from endpoints.ingress.haproxy import HAProxyIngress

CONNECTIONS = 32
AS_BACKEND = """server {{ listen 127.0.0.1:{port};
    location / {{ return 200 "hello world\\n"; }}
    location /big {{ root {files}; }} }}"""

Ways = dict[str, tuple[int, dict[str, str]]]


async def serve(port: int) -> None:
    """The stand-in backend: answers 12 bytes to whatever ends like a request."""

    class Hello(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            asked = data.count(b"\r\n\r\n")
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello world\n"
            self.transport.write(answer * asked)

    server = await asyncio.get_running_loop().create_server(Hello, "127.0.0.1", port)
    await server.serve_forever()


async def ask(port: int, headers: str, seconds: float) -> int:
    """The stand-in client: keep-alive connections that ask again and again."""
    until = time.monotonic() + seconds
    request = f"GET / HTTP/1.1\r\n{headers}\r\n".encode()

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        done = 0
        while time.monotonic() < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            size = re.search(rb"(?i)content-length: (\d+)", head)
            assert head.startswith(b"HTTP/1.1 200"), head
            assert size
            await reader.readexactly(int(size[1]))
            done += 1
        writer.close()
        return done

    return sum(await asyncio.gather(*(one() for _ in range(CONNECTIONS))))


def requests(port: int, path: str, headers: dict[str, str], seconds: int) -> int:
    """How many were answered. Fails when one of them was not answered with 200."""
    if not shutil.which("wrk"):
        lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        return asyncio.run(ask(port, lines, seconds))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
    for key, value in headers.items():
        command += ["-H", f"{key}: {value}"]
    address = f"http://127.0.0.1:{port}{path}"
    text = subprocess.run(
        [*command, address], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"(\d+) requests in", text)
    done = int(found[1]) if found else 0
    if not done or "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(f"{path} at {port} with {headers}: {text}")
    return done


def compare(
    ways: Ways, proxies: dict[str, int], path: str, args: argparse.Namespace
) -> dict[str, object]:
    """Rates and processor time of all ways. proxies: whose process is whose way."""
    rates: list[dict[str, float]] = []
    costs: list[dict[str, float]] = []
    for _ in range(args.rounds):
        rate, cost = dict.fromkeys(ways, 0.0), dict.fromkeys(proxies, 0.0)
        for name in random.sample(list(ways), len(ways)):
            port, headers = ways[name]
            pid = proxies.get(name)
            used = processor_seconds(pid) if pid else 0.0
            began = time.monotonic()
            done = requests(port, path, headers, args.seconds)
            rate[name] = done / (time.monotonic() - began)
            if pid:
                cost[name] = (processor_seconds(pid) - used) / done * 1e6
        rates.append(rate)
        costs.append(cost)
    return {
        "requests_per_s": medians(rates, 0),
        "ratios": ratios(rates),
        "processor_us_per_request": medians(costs, 1),
        "processor_ratios": ratios(costs),
    }


def medians(rounds: list[dict[str, float]], digits: int) -> dict[str, float]:
    return {
        name: round(statistics.median(one[name] for one in rounds), digits)
        for name in rounds[0]
    }


def latency(ways: Ways, times: int) -> dict[str, object]:
    """Milliseconds of one small request at a time, and what each way adds to direct.

    One open connection a way, asked in turn, so that what slows one slows all.
    """
    open_ones = {
        name: (http.client.HTTPConnection("127.0.0.1", port), headers)
        for name, (port, headers) in ways.items()
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(times):
        for name in random.sample(list(ways), len(ways)):
            connection, headers = open_ones[name]
            began = time.perf_counter()
            connection.request("GET", "/", headers=headers)
            answer = connection.getresponse()
            answer.read()
            taken[name].append((time.perf_counter() - began) * 1000)
            assert answer.status == 200, (name, answer.status)
    for connection, _ in open_ones.values():
        connection.close()
    middle = {name: statistics.median(values) for name, values in taken.items()}
    return {
        "median_ms": {name: round(value, 3) for name, value in middle.items()},
        "adds_ms": {
            name: round(value - middle["direct"], 3)
            for name, value in middle.items()
            if name != "direct"
        },
    }


def milliseconds(act: Callable[[int], object], times: int) -> dict[str, float]:
    taken = []
    for number in range(times):
        began = time.perf_counter()
        act(number)
        taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    p99 = taken[min(len(taken) - 1, int(len(taken) * 0.99))]
    told = {"least": taken[0], "median": statistics.median(taken), "p99": p99}
    return {key: round(value, 2) for key, value in told.items()}


def changes(
    ingress: HAProxyIngress, backend: int, endpoints: int
) -> dict[str, dict[str, float]]:
    """What each call of the ingress takes, in milliseconds."""
    told = {}
    told["apply_new"] = milliseconds(
        lambda n: ingress.apply(route(n, backend)), endpoints
    )
    told["apply_change"] = milliseconds(
        lambda n: ingress.apply(route(n % endpoints, backend, n + 2)), 300
    )
    told["apply_same"] = milliseconds(
        lambda _: ingress.apply(route(0, backend, 9999)), 100
    )
    told["publish"] = milliseconds(
        lambda n: ingress.publish("e0", public=bool(n % 2)), 100
    )
    for name in ("traffic", "waiting", "answers", "callers"):
        told[name] = milliseconds(lambda _, name=name: getattr(ingress, name)(), 50)
    told["open_requests"] = milliseconds(
        lambda _: ingress.open_requests("e0", "0.9999"), 50
    )
    wanted = [route(n, backend, 5000) for n in range(endpoints)]
    told["sync"] = milliseconds(lambda _: ingress.sync(wanted), 10)
    return told


def measure(parts: Parts, args: argparse.Namespace) -> dict[str, object]:
    backend = free_port()
    if has_nginx := bool(shutil.which("nginx")):
        # nginx, when root starts it, reads files as somebody else.
        parts.folder.chmod(0o711)
        (parts.folder / "big").write_bytes(b"x" * 100_000)
        parts.nginx(AS_BACKEND.format(port=backend, files=parts.folder), "backend")
    else:
        parts.run(sys.executable, __file__, "--serve", str(backend))
    until_it_listens(backend)
    rival = parts.rival(backend)
    slots = max(args.slots, args.endpoints + 2)
    setup, pid = parts.ingress(slots=slots, servers=args.servers, threads=args.threads)
    ingress = HAProxyIngress(setup)
    told: dict[str, object] = {"memory_mb_empty": memory_mb(pid)}
    told["calls_ms"] = changes(ingress, backend, args.endpoints)
    ways = ways_in(ingress, setup, backend, rival[0] if rival else None)
    proxies = {name: pid for name in ways if name not in {"direct", "nginx"}}
    if rival:
        proxies = {"nginx": rival[1], **proxies}
    told["one_at_a_time"] = latency(ways, 500 * args.rounds)
    told["12_bytes"] = compare(ways, proxies, "/", args)
    if has_nginx:
        told["100_kb"] = compare(ways, proxies, "/big", args)
    told["memory_mb_after"] = memory_mb(pid)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, default=200)
    parser.add_argument("--slots", type=int, default=256)
    parser.add_argument("--servers", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        asyncio.run(serve(args.serve))
        return
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="alight-b-"))
        told = measure(Parts(Path(folder), stack), args)
    options = {key: value for key, value in vars(args).items() if key != "serve"}
    tools = {name: bool(shutil.which(name)) for name in ("nginx", "wrk")}
    print(json.dumps({"options": options, "tools": tools, **told}, indent=2))


if __name__ == "__main__":
    main()
