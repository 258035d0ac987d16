"""Puts the rules up and takes them down, with whatever packet filter a machine has.

A place runs shell scripts in the network of the engine: this machine, or a helper
container. One script looks, another one changes, so that a helper starts twice at most.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from replicas.engine.base import Engine
from replicas.isolation import iptables, nft
from replicas.isolation.names import nameservers
from replicas.isolation.rules import Fence

# Seconds. Others may hold the filter's lock for a while.
_PATIENCE = 20
_MISSING = 127
_LOOK = """
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C; export PATH LC_ALL
ask() {{ echo "#< $1"; shift; "$@" 2>&1; code=$?; echo; echo "#> $code"; }}
ask iptables iptables -w 5 -S
ask ip6tables ip6tables -w 5 -S
ask nft nft list table inet {bridge}
ask ipv6 test -e /proc/net/if_inet6
ask bridged cat /proc/sys/net/bridge/bridge-nf-call-iptables
ask daemon cat {root}/etc/docker/daemon.json
ask resolv cat /etc/resolv.conf
ask behind cat /run/systemd/resolve/resolv.conf
"""
_SECTION = re.compile(r"^#< (\w+)\n(.*?)\n#> (\d+)$", re.MULTILINE | re.DOTALL)
_CHANGE = """
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
{program} <<'RULES'
{text}RULES
"""


class NotFenced(Exception):
    """It could not be done here; says why."""


class PartlyFenced(NotFenced):
    """The rules stand, and do not hold all of it: a whole sentence."""


class Place(Protocol):
    # Where the files of the engine's machine are, "" for /. Its /run is at /run, and
    # the name servers that the engine asks are in /etc/resolv.conf.
    root: str

    def run(self, script: str) -> str:
        """Its output. Raises NotFenced when it cannot run or fails."""
        ...


class Here:
    """This machine, with the rights of this process."""

    root = ""

    def run(self, script: str) -> str:
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", script],
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise NotFenced(str(error)) from error
        if done.returncode:
            raise NotFenced(
                f"The packet filter said: {_last(done.stderr or done.stdout)}"
            )
        return done.stdout


class Helper:
    """A container in the network of the engine's machine. Raises EngineError too."""

    root = "/host"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def run(self, script: str) -> str:
        return self._engine.in_network(script)


@dataclass(frozen=True)
class _Section:
    text: str
    code: int


@dataclass(frozen=True)
class Found:
    """What a place was asked. Missing programs and files have an exit code."""

    sections: Mapping[str, _Section]

    def text(self, name: str) -> str:
        """What was printed; "" where the program or the file failed."""
        found = self.sections[name]
        return "" if found.code else found.text

    def works(self, name: str) -> bool:
        return not self.sections[name].code

    def there(self, name: str) -> bool:
        return self.sections[name].code != _MISSING

    def why(self, name: str) -> str:
        return _last(self.sections[name].text)


def look(place: Place, bridge: str) -> Found:
    said = place.run(_LOOK.format(bridge=bridge, root=place.root))
    sections = {
        name: _Section(text, int(code)) for name, text, code in _SECTION.findall(said)
    }
    if "behind" not in sections:
        raise NotFenced(_last(said) or "No shell answered.")
    return Found(sections)


def put_up(place: Place, fence: Fence) -> str:
    """Make it so. Returns the program that did it; raises NotFenced."""
    found = look(place, fence.bridge)
    fence = replace(fence, nameservers=_names(found))
    for program, text in _changes(found, fence):
        place.run(_CHANGE.format(program=program, text=text))
    if gap := _gap(found):
        raise PartlyFenced(gap)
    return "iptables" if found.there("iptables") else "nft"


def missing(place: Place, fence: Fence) -> list[str]:
    """What `put_up` would change, as input for the programs that would do it."""
    found = look(place, fence.bridge)
    return [
        text for _, text in _changes(found, replace(fence, nameservers=_names(found)))
    ]


def take_down(place: Place, bridge: str) -> bool:
    """Whether anything was there. Raises NotFenced."""
    found = look(place, bridge)
    changes = [
        (
            "iptables-restore -w 5 --noflush",
            iptables.removal(found.text("iptables"), bridge),
        ),
        (
            "ip6tables-restore -w 5 --noflush",
            iptables.removal(found.text("ip6tables"), bridge),
        ),
        ("nft -f -", nft.removal(found.text("nft"), bridge)),
    ]
    if not found.works("iptables") and found.there("iptables"):
        raise NotFenced(found.why("iptables"))
    for program, text in changes:
        if text:
            place.run(_CHANGE.format(program=program, text=text))
    return any(text for _, text in changes)


def _changes(found: Found, fence: Fence) -> list[tuple[str, str]]:
    """(program, input) of what is not as it should be. Raises NotFenced."""
    if not found.there("iptables") and found.there("nft"):
        text = nft.change(found.text("nft"), fence)
        return [("nft -f -", text)] if text else []
    if not found.works("iptables"):
        raise NotFenced(found.why("iptables"))
    changes = []
    for program, version in (("iptables", 4), ("ip6tables", 6)):
        if not found.works(program):
            continue
        if text := iptables.change(found.text(program), fence, version):
            changes.append((f"{program}-restore -w 5 --noflush", text))
    return changes


def _gap(found: Found) -> str:
    """What the rules do not hold on such a machine, and what to do; "" for nothing."""
    # Docker turns this on when it makes the replicas' network.
    if found.text("bridged").strip() != "1":
        return (
            "Replicas are fenced in, but can reach one another: the kernel does not "
            "show its packet filter what passes between them. Run modprobe "
            "br_netfilter, then sysctl -w net.bridge.bridge-nf-call-iptables=1."
        )
    # Without IPv6 in the kernel there is nothing to fence.
    if found.there("iptables") and found.works("ipv6") and not found.works("ip6tables"):
        return (
            "Replicas are fenced in, but for IPv4 only. Mend ip6tables, which said: "
            f"{found.why('ip6tables')}"
        )
    return ""


def _names(found: Found) -> tuple[str, ...]:
    return nameservers(*(found.text(name) for name in ("daemon", "resolv", "behind")))


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""
