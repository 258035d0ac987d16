"""What the ingress must know of this installation, in one place."""

from __future__ import annotations

import os
import resource
import socket
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

# A connection through the ingress holds two descriptors: the client's, the replica's.
_MOST_CONNECTIONS = 8000
_RESERVED_DESCRIPTORS = 200


@dataclass(frozen=True)
class Setup:
    """Everything haproxy.cfg depends on, apart from the endpoints themselves.

    folder holds the configuration and its maps; socket is the runtime socket's path.
    binds are addresses to listen on; console_hosts are the hosts that lead to the
    console. cookies never reach a replica, nor does pass_cookie, which lets a browser
    in at one endpoint's host. worker_socket is where a replica is asked for,
    hold_seconds how long a request waits for it where its endpoint says nothing. slots
    and servers say how many endpoints there is room for, and how many replicas each
    may have, those still finishing requests included. connections is the most there
    may be at once. proxies are addresses and networks that say for whom they ask.
    Times are HAProxy's ("120s").
    """

    folder: Path
    socket: str
    binds: tuple[str, ...]
    port: int
    console_hosts: tuple[str, ...]
    console_url: str
    scheme: str
    web_socket: str
    cookies: tuple[str, ...]
    pass_cookie: str
    worker_socket: str
    slots: int
    servers: int
    threads: int = 2
    connections: int = 2000
    hold_seconds: int = 300
    proxies: tuple[str, ...] = ()
    client_timeout: str = "120s"
    queue_timeout: str = "300s"


def setup_from_settings() -> Setup:
    domain = settings.ALIGHT_DOMAIN
    loopback = ("127.0.0.1", "[::1]") if domain == "localhost" else ()
    scheme, port = settings.ALIGHT_SCHEME, settings.ALIGHT_PORT
    tail = "" if scheme == "https" or port == 80 else f":{port}"
    return Setup(
        folder=Path(settings.ALIGHT_INGRESS_DIR),
        socket=settings.ALIGHT_INGRESS_SOCKET,
        binds=usable(tuple(settings.ALIGHT_BIND)),
        port=port,
        console_hosts=(domain, *loopback),
        console_url=f"{scheme}://{domain}{tail}/",
        scheme=scheme,
        web_socket=settings.ALIGHT_WEB_SOCKET,
        cookies=(
            settings.SESSION_COOKIE_NAME,
            settings.CSRF_COOKIE_NAME,
            settings.ALIGHT_KNOWN_COOKIE,
        ),
        pass_cookie=settings.ALIGHT_PASS_COOKIE,
        worker_socket=settings.ALIGHT_WORKER_SOCKET,
        proxies=tuple(settings.ALIGHT_PROXIES),
        slots=settings.ALIGHT_INGRESS_SLOTS,
        servers=settings.ALIGHT_INGRESS_SERVERS,
        threads=min(4, os.cpu_count() or 1),
        connections=possible_connections(
            settings.ALIGHT_INGRESS_SLOTS * settings.ALIGHT_INGRESS_SERVERS
        ),
    )


def usable(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """The addresses this machine has. IPv6 ones are left out where there is no IPv6.

    An IPv4 address is kept as it is: HAProxy then says what is wrong with it.
    """
    return tuple(a for a in addresses if ":" not in a or _has_ipv6(a))


def possible_connections(servers: int = 0) -> int:
    """What the limit on descriptors has room for; above it HAProxy does not start.

    servers: places for replicas in all, for each of which HAProxy sets one aside.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    room = most - _RESERVED_DESCRIPTORS - servers
    return max(100, min(_MOST_CONNECTIONS, room // 2))


def _has_ipv6(address: str) -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
