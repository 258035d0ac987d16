"""The rules in the words of iptables: from what is there to what is missing. Pure.

Three chains of our own, named after the bridge, and a jump to each. They are replaced
in one transaction of `iptables-restore`, so that no packet ever meets half of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from replicas.isolation.rules import EVERYWHERE, Fence, Rule, lists

# Docker asks this chain first and leaves its content to others.
_USER = "DOCKER-USER"
# What lets nothing pass, and the chains of all installations.
_REFUSALS = frozenset({"DROP", "REJECT", "LOG"})
_OTHERS = re.compile(r"alight[0-9a-f]{8}-(out|in|host)")


@dataclass(frozen=True)
class Jump:
    """From one of the machine's chains to one of ours, under a condition."""

    parent: str
    condition: str
    chain: str

    def __str__(self) -> str:
        return f"{self.parent} {self.condition} -j {self.chain}"


def chains(bridge: str) -> tuple[str, str, str]:
    """Our chains: out, in, host. At most 28 letters each."""
    return f"{bridge}-out", f"{bridge}-in", f"{bridge}-host"


def change(listing: str, fence: Fence, version: int) -> str:
    """Input for `iptables-restore --noflush`; "" when all is as it should be.

    listing: what `iptables -S` prints for the table "filter".
    """
    lines = listing.splitlines()
    wanted = _wanted(fence, version)
    jumps = _jumps(lines, fence.bridge)
    placed = [jump for jump in jumps if _decides(lines, jump, fence.bridge)]
    sound = len(placed) == len(jumps) and sorted(map(str, placed)) == sorted(
        map(str, _parents(lines, fence.bridge))
    )
    if sound and all(_content(lines, name) == rules for name, rules in wanted.items()):
        return ""
    return _text(
        # Naming a chain makes it, or empties it.
        *(f":{name} - [0:0]" for name in wanted),
        *(f"-D {jump}" for jump in jumps),
        *(f"-A {name} {rule}" for name, rules in wanted.items() for rule in rules),
        *(
            f"-I {jump.parent} 1 {jump.condition} -j {jump.chain}"
            for jump in _parents(lines, fence.bridge)
        ),
    )


def removal(listing: str, bridge: str) -> str:
    """The same for taking all of it away; "" when nothing is there."""
    lines = listing.splitlines()
    ours = [name for name in chains(bridge) if f"-N {name}" in lines]
    jumps = _jumps(lines, bridge)
    if not ours and not jumps:
        return ""
    return _text(
        *(f"-D {jump}" for jump in jumps),
        *(f"-F {name}" for name in ours),
        *(f"-X {name}" for name in ours),
    )


def _text(*lines: str) -> str:
    return "\n".join(("*filter", *lines, "COMMIT", ""))


# --- What is wanted -----------------------------------------------------------


def _wanted(fence: Fence, version: int) -> dict[str, list[str]]:
    found = lists(fence, version)
    each = zip(chains(fence.bridge), (found.out, found.into, found.host), strict=True)
    return {name: [spoken(rule, version) for rule in rules] for name, rules in each}


def spoken(rule: Rule, version: int) -> str:
    """A rule just as `iptables -S` prints it."""
    words = []
    if rule.network and rule.network != EVERYWHERE[version]:
        words.append(f"-d {rule.network}")
    if rule.icmp:
        words.append(f"-p ipv6-icmp -m icmp6 --icmpv6-type {rule.icmp}")
    elif rule.protocol:
        words.append(f"-p {rule.protocol} -m {rule.protocol} --dport {rule.port}")
    if rule.answers:
        words.append("-m conntrack --ctstate RELATED,ESTABLISHED")
    family = "icmp" if version == 4 else "icmp6"
    refuse = f"-j REJECT --reject-with {family}-port-unreachable"
    return " ".join([*words, "-j RETURN" if rule.passes else refuse])


def _parents(lines: list[str], bridge: str) -> list[Jump]:
    asked_first = f"-N {_USER}" in lines and f"-A FORWARD -j {_USER}" in lines
    forward = _USER if asked_first else "FORWARD"
    out, into, host = chains(bridge)
    return [
        Jump("INPUT", f"-i {bridge}", host),
        Jump(forward, f"-o {bridge}", into),
        # The last one is put first: what replicas send one another is both.
        Jump(forward, f"-i {bridge}", out),
    ]


# --- What is there ------------------------------------------------------------


def _content(lines: list[str], chain: str) -> list[str] | None:
    """The rules of a chain; None when there is no such chain."""
    if f"-N {chain}" not in lines:
        return None
    start = f"-A {chain} "
    return [line.removeprefix(start) for line in lines if line.startswith(start)]


def _jumps(lines: list[str], bridge: str) -> list[Jump]:
    """All jumps to our chains, in order, from whichever chain."""
    ours = chains(bridge)
    found = []
    for line in lines:
        add, _, rest = line.partition(" ")
        parent, _, rule = rest.partition(" ")
        condition, jumps, chain = rule.rpartition(" -j ")
        if add == "-A" and jumps and chain in ours:
            found.append(Jump(parent, condition, chain))
    return found


def _decides(lines: list[str], jump: Jump, bridge: str) -> bool:
    """Whether nothing before it may let this bridge's packets pass."""
    for line in lines:
        if line == f"-A {jump}":
            return True
        if line.startswith(f"-A {jump.parent} ") and not _harmless(line, bridge):
            return False
    return False


def _harmless(line: str, bridge: str) -> bool:
    words = line.split()
    if "-j" in words:
        goes_to = words[words.index("-j") + 1]
        if goes_to in _REFUSALS or _OTHERS.fullmatch(goes_to):
            return True
    # About another interface: "-A INPUT -i lo …".
    return words[1] == "INPUT" and words[2] == "-i" and words[3] != bridge
