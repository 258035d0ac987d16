"""The ingress and nginx on loopback, for the benchmarks that set them side by side."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import django

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# Settings in a folder of their own: no installation is touched.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from endpoints.ingress import files  # noqa: E402
from endpoints.ingress.base import Grant, IngressUnreachable, Route, Upstream  # noqa: E402
from endpoints.ingress.haproxy import HAProxyIngress  # noqa: E402
from endpoints.ingress.setup import Setup  # noqa: E402

AUTHORIZATION = "Bearer alt_benchmark"
PASS = "benchmark"
_TICK = os.sysconf("SC_CLK_TCK")

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
# It tells a replica what the ingress tells it, and lets sockets through.
AS_PROXY = """upstream replica {{ server 127.0.0.1:{backend}; keepalive 64; }}
  map $http_upgrade $upgraded {{ default upgrade; "" ""; }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://replica; proxy_http_version 1.1; proxy_buffering off;
    proxy_set_header Connection $upgraded; proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-For $remote_addr; }} }}"""


def digest(shown: str) -> str:
    return hashlib.sha256(shown.encode()).hexdigest().upper()


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
    """What runs for the length of a benchmark, all on loopback."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack

    def run(self, *command: str) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((self.folder / "log").open("ab"))
        process = subprocess.Popen(command, stdout=log, stderr=log)
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)
        return process

    def nginx(self, server: str, name: str) -> int:
        """An nginx with this server; its process id."""
        home = self.folder / name
        home.mkdir()
        path = home / "nginx.conf"
        path.write_text(NGINX.format(folder=home, server=server))
        return self.run("nginx", "-c", str(path)).pid

    def rival(self, backend: int) -> tuple[int, int] | None:
        """nginx as a proxy: (port, process id); None where there is none."""
        if not shutil.which("nginx"):
            return None
        port = free_port()
        pid = self.nginx(AS_PROXY.format(port=port, backend=backend), "rival")
        until_it_listens(port)
        return port, pid

    def ingress(self, *, slots: int, servers: int, threads: int) -> tuple[Setup, int]:
        """HAProxy with empty slots, and its process id."""
        folder = self.folder / "ingress"
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
            pass_cookie="alight_pass",
            worker_socket=str(folder / "worker.sock"),
            slots=slots,
            servers=servers,
            threads=threads,
        )
        files.write_all(setup, [])
        process = self.run("haproxy", "-db", "-f", str(folder / files.CONFIG))
        began = time.monotonic()
        while time.monotonic() - began < 20:
            try:
                HAProxyIngress(setup).traffic()
            except IngressUnreachable:
                time.sleep(0.02)
            else:
                return setup, process.pid
        raise SystemExit((self.folder / "log").read_text())


def route(number: int, port: int, attempt: int = 1, **changes: object) -> Route:
    """Endpoint number so-and-so with one replica, for everybody unless told else."""
    name = f"e{number}"
    plain = {
        "name": name,
        "host": f"{name}.localhost",
        "public": True,
        "state": "starting",
        "upstreams": (Upstream(f"{number}.{attempt}", "127.0.0.1", port),),
        "grants": (Grant(digest(AUTHORIZATION)), Grant(digest(PASS))),
    }
    return Route(**{**plain, **changes})  # type: ignore[arg-type]


def ways_in(
    ingress: HAProxyIngress, setup: Setup, backend: int, rival: int | None
) -> dict[str, tuple[int, dict[str, str]]]:
    """Every way to the backend by name: its port, and the headers that open it.

    Endpoint 0 is for everybody; endpoint 1 wants a token or a pass.
    """
    ingress.apply(route(0, backend, 5001))
    ingress.apply(route(1, backend, 5001, public=False))
    private = {"Host": "e1.localhost"}
    ways: dict[str, tuple[int, dict[str, str]]] = {"direct": (backend, {})}
    if rival:
        ways["nginx"] = (rival, {})
    ways["public"] = (setup.port, {"Host": "e0.localhost"})
    ways["private"] = (setup.port, {**private, "Authorization": AUTHORIZATION})
    ways["pass"] = (setup.port, {**private, "Cookie": f"alight_pass={PASS}"})
    return ways


def processor_seconds(pid: int) -> float:
    """What this process and its children have used so far."""
    own = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return (int(own[11]) + int(own[12])) / _TICK + sum(
        processor_seconds(int(child)) for child in below
    )


def memory_mb(pid: int) -> dict[str, float]:
    """Proportional and resident memory of one process."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = dict(re.findall(r"^(Pss|Rss):\s+(\d+) kB", text, re.MULTILINE))
    return {name.lower(): round(int(kb) / 1024, 1) for name, kb in found.items()}


def spread(values: list[float], digits: int = 3) -> dict[str, float]:
    """Median and quartiles: how far apart the rounds of a noisy machine lie."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    told = {"median": middle, "from": low, "to": high}
    return {key: round(value, digits) for key, value in told.items()}


# What is told: each way beside nginx, and what asking for a grant adds.
PAIRS = (
    *(("nginx", "direct"), ("public", "direct")),
    *(("public", "nginx"), ("private", "nginx"), ("pass", "nginx")),
    *(("private", "public"), ("pass", "public")),
)


def ratios(rounds: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Ratios of ways, each taken within a round, so that what slows all cancels."""
    return {
        f"{way}_to_{floor}": spread([one[way] / one[floor] for one in rounds])
        for way, floor in PAIRS
        if {way, floor} <= rounds[0].keys()
    }
