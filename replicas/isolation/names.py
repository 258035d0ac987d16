"""Which name servers the engine asks on behalf of containers. Pure.

The engine answers a container's questions for names from inside the container's own
network, so the servers it asks must be let through, and they are often private ones.
"""

from __future__ import annotations

import ipaddress
import json

# With systemd's stub the engine reads the list behind it instead.
_STUB = ["127.0.0.53"]


def nameservers(daemon: str, resolv: str, behind: str) -> tuple[str, ...]:
    """From daemon.json, resolv.conf and the list behind systemd's stub: texts, ""
    for a file that is not there."""
    named = _of_daemon(daemon)
    if not named:
        named = _of_resolv(resolv)
        named = _of_resolv(behind) if named == _STUB else named
    return tuple(dict.fromkeys(address for address in named if _beyond(address)))


def _of_daemon(text: str) -> list[str]:
    try:
        found = json.loads(text or "{}").get("dns") or []
    except (ValueError, AttributeError):
        return []
    return [str(address) for address in found]


def _of_resolv(text: str) -> list[str]:
    lines = (line.split() for line in text.splitlines())
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def _beyond(address: str) -> bool:
    """Whether it is one that is reached over the network; a link's own never is."""
    try:
        return not ipaddress.ip_address(address).is_loopback and "%" not in address
    except ValueError:
        return False
