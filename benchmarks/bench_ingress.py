"""Requests a second through the ingress, and what a change to it costs, in one run.

    .venv/bin/python benchmarks/bench_ingress.py [--endpoints 200] [--rounds 5]

Needs haproxy. With nginx on the path it serves the backend and is also measured as a
proxy, with keep-alive to the backend; with wrk on the path that makes the requests.
Without them an asyncio server and client stand in, which are slower than what they
measure: then only the order of magnitude counts. Every round measures all ways one
after the other, and ratios are taken within a round. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from endpoints.ingress import files
from endpoints.ingress.base import IngressUnreachable, Route, Upstream
from endpoints.ingress.haproxy import HAProxyIngress
from endpoints.ingress.setup import Setup

CONNECTIONS = 32
AUTHORIZATION = "Bearer alt_benchmark"
DIGEST = hashlib.sha256(AUTHORIZATION.encode()).hexdigest().upper()

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000; client_max_body_size 0;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  {server}
}}
"""
AS_BACKEND = """server {{ listen 127.0.0.1:{port};
    location / {{ return 200 "hello world\\n"; }}
    location /big {{ root {files}; }} }}"""
AS_PROXY = """upstream replica {{ server 127.0.0.1:{backend}; keepalive 64; }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://replica; proxy_http_version 1.1; proxy_buffering off;
    proxy_set_header Connection ""; proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr; }} }}"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until_it_listens(port: int) -> None:
    began = time.monotonic()
    while time.monotonic() - began < 20:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"Nothing listens on {port}.")


class Parts:
    """What runs for the length of this benchmark, all on loopback."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack

    def run(self, *command: str) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((self.folder / "log").open("ab"))
        process = subprocess.Popen(command, stdout=log, stderr=log)
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)
        return process

    def nginx(self, server: str, name: str) -> None:
        home = self.folder / name
        home.mkdir()
        path = home / "nginx.conf"
        path.write_text(NGINX.format(folder=home, server=server))
        self.run("nginx", "-c", str(path))


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


def rate(port: int, path: str, headers: dict[str, str], seconds: float) -> float:
    """Requests a second. Fails when one of them was not answered with 200."""
    if not shutil.which("wrk"):
        lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        return asyncio.run(ask(port, lines, seconds)) / seconds
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s"]
    for key, value in headers.items():
        command += ["-H", f"{key}: {value}"]
    address = f"http://127.0.0.1:{port}{path}"
    text = subprocess.run(
        [*command, address], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", text)
    done = float(found[1]) if found else 0.0
    if not done or "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(f"{path} at {port} with {headers}: {text}")
    return done


def requests_a_second(
    ways: dict[str, tuple[int, dict[str, str]]], path: str, args: argparse.Namespace
) -> dict[str, object]:
    """Each way's median, and its ratio to the first and to nginx within a round."""
    rounds = [
        {name: rate(port, path, head, args.seconds) for name, (port, head) in each}
        for each in [list(ways.items())] * args.rounds
    ]
    told: dict[str, object] = {
        name: round(statistics.median(one[name] for one in rounds)) for name in ways
    }
    for other in ("direct", "nginx", "public"):
        for name in ways.keys() & {"public", "private"} - {other}:
            if other in ways:
                ratios = [one[name] / one[other] for one in rounds]
                told[f"{name}_to_{other}"] = round(statistics.median(ratios), 3)
    return told


def milliseconds(act: Callable[[int], object], times: int) -> dict[str, float]:
    taken = []
    for number in range(times):
        began = time.perf_counter()
        act(number)
        taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    p99 = taken[min(len(taken) - 1, int(len(taken) * 0.99))]
    return {"median": round(statistics.median(taken), 2), "p99": round(p99, 2)}


def memory_mb(pid: int) -> dict[str, float]:
    """Proportional and resident memory of one process."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = dict(re.findall(r"^(Pss|Rss):\s+(\d+) kB", text, re.MULTILINE))
    return {name.lower(): round(int(kb) / 1024, 1) for name, kb in found.items()}


def route(number: int, port: int, attempt: int = 1, **changes: object) -> Route:
    name = f"e{number}"
    plain = {
        "name": name,
        "host": f"{name}.localhost",
        "public": True,
        "state": "starting",
        "upstreams": (Upstream(f"{number}.{attempt}", "127.0.0.1", port),),
        "tokens": (DIGEST,),
    }
    return Route(**{**plain, **changes})  # type: ignore[arg-type]


def start_ingress(parts: Parts, args: argparse.Namespace) -> tuple[Setup, int]:
    """HAProxy with empty slots, and its process id."""
    folder = parts.folder / "ingress"
    setup = Setup(
        folder=folder,
        socket=str(folder / "haproxy.sock"),
        binds=("127.0.0.1",),
        port=free_port(),
        console_hosts=("localhost",),
        console_url="http://localhost/",
        scheme="http",
        web_socket=str(folder / "web.sock"),
        cookies=("alight_session", "alight_csrf"),
        slots=max(args.slots, args.endpoints + 2),
        servers=args.servers,
        threads=args.threads,
    )
    files.write_all(setup, [])
    process = parts.run("haproxy", "-db", "-f", str(folder / files.CONFIG))
    began = time.monotonic()
    while time.monotonic() - began < 20:
        try:
            HAProxyIngress(setup).traffic()
        except IngressUnreachable:
            time.sleep(0.02)
        else:
            return setup, process.pid
    raise SystemExit((parts.folder / "log").read_text())


def measure(parts: Parts, args: argparse.Namespace) -> dict[str, object]:
    backend, rival = free_port(), free_port()
    has_nginx = bool(shutil.which("nginx"))
    if has_nginx:
        # nginx, when root starts it, reads files as somebody else.
        parts.folder.chmod(0o711)
        (parts.folder / "big").write_bytes(b"x" * 100_000)
        server = AS_BACKEND.format(port=backend, files=parts.folder)
        parts.nginx(server, "backend")
        parts.nginx(AS_PROXY.format(port=rival, backend=backend), "rival")
    else:
        parts.run(sys.executable, __file__, "--serve", str(backend))
    for port in (backend, *([rival] if has_nginx else [])):
        until_it_listens(port)
    setup, pid = start_ingress(parts, args)
    ingress = HAProxyIngress(setup)
    told: dict[str, object] = {"memory_mb_empty": memory_mb(pid)}

    fill = milliseconds(lambda n: ingress.apply(route(n, backend)), args.endpoints)
    told["apply_new_ms"] = fill
    told["apply_change_ms"] = milliseconds(
        lambda n: ingress.apply(route(n % args.endpoints, backend, n + 2)), 300
    )
    told["apply_same_ms"] = milliseconds(
        lambda _: ingress.apply(route(0, backend, 9999)), 100
    )
    told["toggle_public_ms"] = milliseconds(
        lambda n: ingress.apply(route(0, backend, 9999, public=bool(n % 2))), 100
    )
    told["traffic_ms"] = milliseconds(lambda _: ingress.traffic(), 50)
    told["open_requests_ms"] = milliseconds(
        lambda _: ingress.open_requests("e0", "0.9999"), 50
    )
    wanted = [route(n, backend, 5000) for n in range(args.endpoints)]
    told["sync_ms"] = milliseconds(lambda _: ingress.sync(wanted), 10)

    ingress.apply(route(0, backend, 5001))
    ingress.apply(route(1, backend, 5001, public=False))
    ways: dict[str, tuple[int, dict[str, str]]] = {"direct": (backend, {})}
    if has_nginx:
        ways["nginx"] = (rival, {})
    ways["public"] = (setup.port, {"Host": "e0.localhost"})
    ways["private"] = (
        setup.port,
        {"Host": "e1.localhost", "Authorization": AUTHORIZATION},
    )
    told["requests_per_s_12_bytes"] = requests_a_second(ways, "/", args)
    if has_nginx:
        told["requests_per_s_100_kb"] = requests_a_second(ways, "/big", args)
    told["memory_mb_after"] = memory_mb(pid)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, default=200)
    parser.add_argument("--slots", type=int, default=256)
    parser.add_argument("--servers", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
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
