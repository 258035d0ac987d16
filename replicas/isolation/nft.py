"""The rules in the words of nft, for machines without iptables: one table. Pure.

A table of our own stands beside all others: what it refuses is refused, whatever
another one lets pass. The name of an empty chain says which rules it holds.
"""

from __future__ import annotations

from replicas.isolation.rules import EVERYWHERE, Fence, Rule, digest, lists

_HEADS = {
    "forward": "type filter hook forward priority -10; policy accept;",
    "input": "type filter hook input priority -10; policy accept;",
}


def change(listing: str, fence: Fence) -> str:
    """Input for `nft -f -`; "" when all is as it should be.

    listing: what `nft list table inet BRIDGE` prints, "" without that table.
    """
    if f"chain {_mark(fence)} " in listing:
        return ""
    both = [(version, lists(fence, version)) for version in (4, 6)]
    bridge = fence.bridge
    return "\n".join(
        (
            *_gone(bridge),
            f"table inet {bridge} {{",
            f"chain {_mark(fence)} {{ }}",
            *_chain("to-world", [spoken(r, v) for v, all_ in both for r in all_.out]),
            *_chain("to-them", [spoken(r, v) for v, all_ in both for r in all_.into]),
            *_chain("to-host", [spoken(r, v) for v, all_ in both for r in all_.host]),
            *_chain(
                "forward",
                [
                    f'iifname "{bridge}" jump to-world',
                    f'oifname "{bridge}" jump to-them',
                ],
            ),
            *_chain("input", [f'iifname "{bridge}" jump to-host']),
            "}",
            "",
        )
    )


def removal(listing: str, bridge: str) -> str:
    """The same for taking all of it away; "" when nothing is there."""
    return "\n".join((*_gone(bridge), "")) if listing.strip() else ""


def _gone(bridge: str) -> tuple[str, str]:
    # Deleting what is not there is an error; adding what is there is none.
    return f"add table inet {bridge}", f"delete table inet {bridge}"


def _mark(fence: Fence) -> str:
    return f"rules-{digest(fence)}"


def _chain(name: str, rules: list[str]) -> list[str]:
    head = [_HEADS[name]] if name in _HEADS else []
    return [f"chain {name} {{", *head, *rules, "}"]


def spoken(rule: Rule, version: int) -> str:
    words = [f"meta nfproto ipv{version}"]
    if rule.network and rule.network != EVERYWHERE[version]:
        words.append(f"{'ip' if version == 4 else 'ip6'} daddr {rule.network}")
    if rule.icmp:
        words.append(f"icmpv6 type {rule.icmp}")
    elif rule.protocol:
        words.append(f"{rule.protocol} dport {rule.port}")
    if rule.answers:
        words.append("ct state established,related")
    return " ".join([*words, "return" if rule.passes else "reject"])
