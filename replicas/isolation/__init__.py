"""Keeps replicas away from this machine, its networks and one another.

`rules` says what may pass, `iptables` and `nft` say it in a packet filter's words (all
three pure), `fencing` carries it out, here or in a helper container, and `keeping`
knows whether it stands. docs/isolation.md, docs/adr/0011-isolation.md
"""
