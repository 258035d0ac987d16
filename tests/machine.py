"""A machine of a test's own: network namespaces, a Docker engine, and neighbours.

    replicas ── bridge ── machine ── 192.168.77.0/24 ── lan   (private)
                                 └── 203.0.113.0/24 ─── net   (as the internet is)

Nothing of it touches this machine's own network, and all of it goes with `destroy`.
"""

import os
import secrets
import subprocess
import sys

from launcher.config import ROOT
from tests.engine import OwnEngine

LAN, NET = "192.168.77", "203.0.113"
# What the engine asks for names; a private one, as on most machines.
NAMES = f"{LAN}.53"
# No program of the console may listen on this one.
CONTROL = 8080
_SERVERS = ROOT / "tests" / "e2e" / "isolation_servers.py"


class Machine:
    def __init__(self):
        mark = secrets.token_hex(3)
        self.host, self.lan, self.net = (f"al{mark}{name}" for name in ("h", "l", "n"))
        self.engine = OwnEngine()
        self._servers = []
        self._lay_out()
        # Words before a command that is to see what the engine sees.
        self.inside = self.engine.inside = self._hold()

    # --- its life -------------------------------------------------------------

    def start(self, *options):
        """Start the engine and return when it answers."""
        self.engine.start(
            *("--iptables=true", "--ip-masq=true", "--ip-forward=true"), *options
        )

    def serve(self, place, *words):
        """Let servers answer in a network; see isolation_servers."""
        command = ["nsenter", f"--net=/run/netns/{place}", sys.executable, _SERVERS]
        server = subprocess.Popen([*command, *words], stdout=subprocess.PIPE, text=True)
        self._servers.append(server)
        assert server.stdout.readline() == "ready\n"

    def destroy(self):
        # The engine first: it still wants to tidy up its network.
        self.engine.destroy()
        for server in self._servers:
            server.kill()
            server.communicate()
        for name in (self.host, self.lan, self.net):
            subprocess.run(["ip", "netns", "del", name], check=False)

    def give(self, place, address, link="eth0"):
        nodad = ("nodad",) if ":" in address else ()
        _ip("-n", place, "addr", "add", address, "dev", link, *nodad)

    def route(self, place, address, gateway):
        _ip("-n", place, "route", "replace", address, "via", gateway)

    # --- what runs there ------------------------------------------------------

    def at(self, place, *words, **more):
        """Run a command in a network; what it wrote, or "" when it failed."""
        command = ["nsenter", f"--net=/run/netns/{place}", *words]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, **more
        )
        return done.stdout if done.returncode == 0 else ""

    # A place of replicas.isolation.fencing: the machine itself.
    root = ""

    def run(self, script):
        done = subprocess.run(
            [*self.inside, "sh", "-c", script],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def manage(self, *words, drop="", **settings):
        """Run manage.py as a process of that machine: (exit code, what it wrote).

        drop: a capability it is to lack, such as "net_admin".
        """
        without = ("setpriv", f"--bounding-set=-{drop}") if drop else ()
        inner = 'mount -t sysfs sys /sys && exec "$0" "$@"'
        done = subprocess.run(
            [
                *self.inside,
                *("unshare", "--mount", "sh", "-c", inner),
                *(*without, sys.executable, "manage.py", *words),
            ],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout + done.stderr

    def rules(self, program="iptables"):
        """The packet filter's rules, as lines."""
        return self.at(self.host, program, "-S").splitlines()

    # --- how ------------------------------------------------------------------

    def _hold(self):
        """A process in the machine's network, with a view of files of its own."""
        resolv = self.engine.home / "resolv.conf"
        resolv.write_text(f"nameserver {NAMES}\n")
        script = f"mount --bind {resolv} /etc/resolv.conf && echo ready && exec cat"
        holder = subprocess.Popen(
            [
                *("nsenter", f"--net=/run/netns/{self.host}"),
                *("unshare", "--mount", "--propagation", "private", "sh", "-c", script),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._servers.append(holder)
        assert holder.stdout.readline() == "ready\n"
        words = ("nsenter", "--target", str(holder.pid), "--net", "--mount")
        return (*words, f"--wd={ROOT}")

    def _lay_out(self):
        for name in (self.host, self.lan, self.net):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        for place, subnet, leg in ((self.lan, LAN, "lan0"), (self.net, NET, "net0")):
            peer = ("type", "veth", "peer", "name", "eth0", "netns", place)
            _ip("-n", self.host, "link", "add", leg, *peer)
            for where, link, number in ((self.host, leg, 1), (place, "eth0", 2)):
                address = f"{subnet}.{number}/24"
                _ip("-n", where, "addr", "add", address, "dev", link)
                _ip("-n", where, "link", "set", link, "up")
            _ip("-n", place, "route", "add", "default", "via", f"{subnet}.1")
        # As on a machine that routed before Docker came: nothing is dropped by default.
        forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
        self.at(self.host, "sh", "-c", forward)
        # The engine's own default bridge lives where the engine does.
        _ip("link", "del", self.engine.bridge)
        _ip("-n", self.host, "link", "add", self.engine.bridge, "type", "bridge")


def _ip(*words):
    subprocess.run(["ip", *words], check=True)
