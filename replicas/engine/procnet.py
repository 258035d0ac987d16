"""Listening TCP ports, read from the text of /proc/net/tcp and tcp6. Pure."""

from __future__ import annotations

_LISTEN = "0A"
# The engine's own name server inside every container of a network.
_ENGINE_DNS = "0B00007F"
_LOOPBACK_6 = "00000000000000000000000001000000"
_MAPPED_4 = "0000000000000000FFFF0000"


def listening(text: str, *, loopback: bool = False) -> list[int]:
    """Ports reachable from outside, ascending.

    With `loopback`, the ports bound to nothing but a loopback address instead.
    """
    open_ports: set[int] = set()
    inside: set[int] = set()
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 4 or fields[3] != _LISTEN or ":" not in fields[1]:
            continue
        address, _, port = fields[1].partition(":")
        address = address.removeprefix(_MAPPED_4)
        if address == _ENGINE_DNS:
            continue
        (inside if _is_loopback(address) else open_ports).add(int(port, 16))
    return sorted(inside - open_ports if loopback else open_ports)


def _is_loopback(address: str) -> bool:
    # IPv4 is written as one little-endian word, so 127.x.y.z ends in 7F.
    return address == _LOOPBACK_6 or (len(address) == 8 and address.endswith("7F"))
