"""A machine with a packet filter, as far as the scripts of replicas.isolation go."""

import re

# As Docker leaves the filter, and as an admin's tool fills it.
DOCKER = """\
-P INPUT ACCEPT
-P FORWARD DROP
-N DOCKER
-N DOCKER-USER
-A INPUT -i lo -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -i alight00000001 ! -o alight00000001 -j ACCEPT
-A DOCKER-USER -j RETURN"""
BARE = "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT"


def applied(listing, text):
    """The listing after `iptables-restore --noflush` with this input."""
    lines = listing.splitlines()
    for line in text.splitlines():
        verb, _, rest = line.partition(" ")
        if line.startswith(":"):
            name = line[1:].split()[0]
            lines = [one for one in lines if not one.startswith(f"-A {name} ")]
            lines = [*lines, *([] if f"-N {name}" in lines else [f"-N {name}"])]
        elif verb == "-D":
            lines.remove(f"-A {rest}")
        elif verb == "-A":
            lines.append(line)
        elif verb == "-I":
            parent, _, rule = rest.replace(" 1 ", " ", 1).partition(" ")
            first = [
                n for n, one in enumerate(lines) if one.startswith(f"-A {parent} ")
            ]
            lines.insert(first[0] if first else len(lines), f"-A {parent} {rule}")
        elif verb == "-F":
            lines = [one for one in lines if not one.startswith(f"-A {rest} ")]
        elif verb == "-X":
            lines.remove(f"-N {rest}")
            assert not [one for one in lines if one.endswith(f" -j {rest}")]
    return "\n".join(lines)


class Filters:
    """What `run` answers to a script; tests change the parts.

    parts: {name: (output, exit code)} of what a look asks.
    """

    def __init__(self):
        self.parts = {
            "iptables": (DOCKER, 0),
            "ip6tables": (BARE, 0),
            "nft": ("sh: nft: not found", 127),
            "ipv6": ("", 0),
            "bridged": ("1", 0),
            "daemon": ("cat: no such file", 1),
            "resolv": ("nameserver 10.9.9.9", 0),
            "behind": ("cat: no such file", 1),
        }
        self.looks = 0
        self.changes = []

    def has(self, name, text="", code=0):
        self.parts[name] = (text, code)

    def run(self, script):
        """As a place or an engine does."""
        change = re.search(r"^(\S+)[^\n]* <<'RULES'\n(.*)RULES\n", script, re.M | re.S)
        if change is None:
            self.looks += 1
            each = self.parts.items()
            return "".join(f"#< {k}\n{text}\n\n#> {code}\n" for k, (text, code) in each)
        program, text = change.groups()
        self.changes.append((program, text))
        if program.endswith("-restore"):
            name = program.removesuffix("-restore")
            self.has(name, applied(self.parts[name][0], text))
        return ""
