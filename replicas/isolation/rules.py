"""What may pass between replicas and the rest, in no packet filter's words. Pure.

Three lists of rules, the first that fits decides:

| list | asked about | in the end |
|---|---|---|
| out | what replicas send beyond their machine | passes, if the internet is allowed |
| in | what is sent to replicas from beyond their machine, or by one another | refused |
| host | what replicas send to their machine itself | refused |

What the machine sends to replicas is asked about nowhere, so HAProxy and the prober
reach them; and answers always pass.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

# Networks that are somebody's own, the machine's link, and what no one should dial.
# 169.254.0.0/16 holds the addresses at which clouds tell a machine its credentials.
PRIVATE = {
    4: (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
    ),
    # The first four carry an IPv4 address inside, which may be a private one.
    6: (
        "::/96",
        "::ffff:0.0.0.0/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    ),
}
EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
_NAMES = 53
# How neighbours find each other in IPv6: solicitation and advertisement.
_NEIGHBOURS = (135, 136)


@dataclass(frozen=True)
class Target:
    """A network that replicas may reach although it is private; port 0 for all."""

    network: str
    port: int = 0


@dataclass(frozen=True)
class Fence:
    """What is wanted for the replicas behind one bridge.

    nameservers: addresses that the engine asks for names on their behalf.
    deny: networks they may not reach although they are public.
    """

    bridge: str
    internet: bool = True
    nameservers: tuple[str, ...] = ()
    allow: tuple[Target, ...] = ()
    deny: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """One line. `passes` or is refused; what is empty or 0 fits everything.

    answers: it belongs to a conversation that was let through before.
    """

    passes: bool
    network: str = ""
    protocol: str = ""  # "tcp", "udp", "icmpv6"
    port: int = 0
    icmp: int = 0
    answers: bool = False


@dataclass(frozen=True)
class Lists:
    out: tuple[Rule, ...]
    into: tuple[Rule, ...]
    host: tuple[Rule, ...]


_ANSWERS = Rule(passes=True, answers=True)
_REFUSE = Rule(passes=False)


def lists(fence: Fence, version: int) -> Lists:
    """The rules for IPv4 or IPv6."""
    neighbours = [
        Rule(passes=True, protocol="icmpv6", icmp=number)
        for number in _NEIGHBOURS
        if version == 6
    ]
    names, allowed = list(_names(fence, version)), list(_allowed(fence, version))
    # A whole network was not meant to hold this machine's own address in it.
    single = [rule for rule in allowed if _is_single(rule.network)]
    out = [
        _ANSWERS,
        *names,
        *allowed,
        *(Rule(passes=False, network=net) for net in PRIVATE[version]),
        *(Rule(passes=False, network=net) for net in _of(version, fence.deny)),
    ]
    if not fence.internet:
        out.append(_REFUSE)
    return Lists(
        out=tuple(out),
        into=(_ANSWERS, _REFUSE),
        host=(_ANSWERS, *neighbours, *names, *single, _REFUSE),
    )


def _names(fence: Fence, version: int) -> Iterable[Rule]:
    # Without the internet names of it are of no use, and a way to carry things out.
    if not fence.internet:
        return
    for network in _of(version, fence.nameservers):
        for protocol in ("udp", "tcp"):
            yield Rule(passes=True, network=network, protocol=protocol, port=_NAMES)


def _allowed(fence: Fence, version: int) -> Iterable[Rule]:
    for target in fence.allow:
        for network in _of(version, [target.network]):
            if not target.port:
                yield Rule(passes=True, network=network)
                continue
            for protocol in ("tcp", "udp"):
                yield Rule(
                    passes=True, network=network, protocol=protocol, port=target.port
                )


def _is_single(network: str) -> bool:
    return ipaddress.ip_network(network).num_addresses == 1


def _of(version: int, networks: Iterable[str]) -> Iterable[str]:
    """Those of this version, as networks: "10.0.0.5" is "10.0.0.5/32"."""
    for text in networks:
        network = ipaddress.ip_network(text, strict=False)
        if network.version == version:
            yield str(network)


def target(text: str) -> Target:
    """One entry of ALIGHT_REPLICA_ALLOW, which `console.env` has checked.

    >>> target("10.0.0.5:443"), target("[fd00::5]:80").network
    (Target(network='10.0.0.5/32', port=443), 'fd00::5/128')
    >>> target("192.168.3.0/24")
    Target(network='192.168.3.0/24', port=0)
    """
    address, port = text, "0"
    if text.startswith("["):
        address, _, port = text[1:].partition("]:")
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    return Target(str(ipaddress.ip_network(address, strict=False)), int(port))


def digest(fence: Fence) -> str:
    """Changes when the rules do."""
    every = repr([lists(fence, version) for version in (4, 6)])
    return hashlib.sha256(every.encode()).hexdigest()[:12]
