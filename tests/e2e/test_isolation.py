"""What replicas reach, and who reaches them, on a machine of the test's own."""

import shutil
import subprocess
from contextlib import contextmanager

import pytest

from replicas.engine import names
from replicas.engine.base import Wanted
from replicas.engine.docker import DockerEngine
from replicas.isolation import fencing, keeping, nft
from replicas.isolation.rules import Fence, target
from tests.environment import HOME
from tests.machine import CONTROL, LAN, NAMES, NET, Machine
from tests.waiting import until

pytestmark = [pytest.mark.docker]

INSTALLATION = "fenced"
BRIDGE = names.bridge_name(INSTALLATION)
# A network of its own: where clouds tell a machine its credentials.
CLOUD = "169.254.169.254"


@pytest.fixture(scope="module")
def machine():
    made = Machine()
    try:
        for address in (CLOUD, NAMES):
            made.give(made.lan, f"{address}/32")
            made.route(made.host, address, f"{LAN}.2")
        made.start("--live-restore")
        made.serve(made.lan, f"{LAN}.2:80=lan", f"{CLOUD}:80=cloud")
        made.serve(made.lan, f"{NAMES}:53={NET}.2", f"{NAMES}:80=names")
        made.serve(made.net, f"{NET}.2:80=net")
        made.serve(made.host, f"0.0.0.0:{CONTROL}=control", "0.0.0.0:6379=valkey")
        made.serve(made.host, "0.0.0.0:53=198.51.100.9")
        yield made
    finally:
        made.destroy()


@pytest.fixture(scope="module")
def engine(machine):
    return DockerEngine(machine.engine.host, INSTALLATION)


class Replica:
    def __init__(self, machine, engine, name):
        self.machine, self.name = machine, name
        wanted = Wanted(
            name=f"{INSTALLATION}-{name}",
            image=machine.engine.tiny_image(),
            labels=names.container_labels(INSTALLATION, name, 1, 1),
            port=8080,
            node="",
            args=("httpd", "-f", "-p", "8080", "-h", "/www"),
        )
        seen = engine.start(engine.create(wanted).id)
        self.id, self.address = seen.id, seen.address
        self.gateway = f"{self.address.rpartition('.')[0]}.1"
        # It takes a moment until it listens.
        until(lambda: machine_hears(machine, self))

    def run(self, *words):
        """What a command in it wrote; "" when it failed."""
        command = ["docker", "--host", self.machine.engine.host, "exec", self.id]
        done = subprocess.run(
            [*command, "busybox", *words], capture_output=True, text=True, timeout=60
        )
        return done.stdout if done.returncode == 0 else ""

    def hears(self, address, port=80, *options):
        """The word of a server, "" where it is not reached."""
        return self.run("nc", "-w", "2", *options, address, str(port)).strip()

    def resolves(self, name):
        return NET in self.run("nslookup", name, "127.0.0.11")


@pytest.fixture(scope="module")
def one(machine, engine):
    return Replica(machine, engine, "one")


@pytest.fixture(scope="module")
def two(machine, engine):
    return Replica(machine, engine, "two")


@pytest.fixture
def keeper(settings, engine, monkeypatch):
    """The worker's keeper, outside of that machine: only a helper gets there."""
    settings.ALIGHT_ISOLATION = True
    settings.ALIGHT_INSTALLATION = INSTALLATION
    monkeypatch.setattr(keeping, "get_engine", lambda: engine)
    return keeping.Keeper()


@contextmanager
def fenced(machine, **changes):
    assert fencing.put_up(machine, Fence(BRIDGE, **changes)) == "iptables"
    try:
        yield
    finally:
        assert fencing.take_down(machine, BRIDGE)
        assert not remains(machine)


def there(machine):
    return {
        "DJANGO_SETTINGS_MODULE": "console.settings",
        "ALIGHT_HOME": str(HOME),
        "ALIGHT_INSTALLATION": INSTALLATION,
        "ALIGHT_DOCKER_HOST": machine.engine.host,
    }


def remains(machine):
    both = machine.rules() + machine.rules("ip6tables")
    return [line for line in both if f"{BRIDGE}-" in line]


def outside_hears(machine, replica):
    """What a neighbour of the machine gets that sends its packets there."""
    machine.route(machine.lan, replica.address, f"{LAN}.1")
    return machine.at(
        machine.lan,
        "busybox",
        "nc",
        "-w",
        "2",
        replica.address,
        "8080",
        input="GET /\n\n",
    )


def machine_hears(machine, replica):
    return machine.at(
        machine.host, "busybox", "wget", "-qO-", f"http://{replica.address}:8080/"
    )


def everything(machine, one):
    """{what is dialled: what answers} of all that should be closed."""
    return {
        "the console's port": one.hears(one.gateway, CONTROL),
        "a port on every address": one.hears(f"{LAN}.1", 6379),
        "a UDP port": "198.51.100.9" in one.run("nslookup", "a.b", one.gateway),
        "the private network": one.hears(f"{LAN}.2"),
        "the cloud's credentials": one.hears(CLOUD),
        "the name server's other ports": one.hears(NAMES, 80),
        "the replica, from a neighbour": bool(outside_hears(machine, one)),
    }


OPEN = {
    "the console's port": "control",
    "a port on every address": "valkey",
    "a UDP port": True,
    "the private network": "lan",
    "the cloud's credentials": "cloud",
    "the name server's other ports": "names",
    "the replica, from a neighbour": True,
}


def closed(found):
    return not any(found.values())


def works(machine, replica):
    """What must go on: the internet, names, and the ingress."""
    return (
        replica.hears(f"{NET}.2") == "net"
        and replica.resolves("alight.example")
        and "hello from a tiny container" in machine_hears(machine, replica)
    )


def test_without_rules_everything_is_open(machine, one):
    assert everything(machine, one) == OPEN
    assert works(machine, one)


def test_with_rules_only_the_internet_is(machine, one, two):
    with fenced(machine):
        found = everything(machine, one)
        assert closed(found), found
        assert one.hears(two.address, 8080) == ""
        assert works(machine, one)


def test_a_helper_does_it_where_we_are_not(machine, one, keeper, caplog):
    caplog.set_level("INFO")
    keeper.before_start()
    assert "Replicas are fenced in, by iptables through a helper" in caplog.text
    found = everything(machine, one)
    assert closed(found), found
    assert works(machine, one)
    # The helper has gone, and what it made is complete: nothing is left to change.
    assert not [name for name in machine.engine.containers() if ".network-" in name]
    code, said = machine.manage("isolation", **there(machine))
    assert (code, said) == (0, "Replicas are fenced in, as the rules say.\n")
    keeping.take_down()
    assert not remains(machine)


def test_a_worker_with_the_rights_does_it_by_itself(machine, one):
    code, said = machine.manage("isolation", "--apply", **there(machine))
    assert (code, said) == (0, "Replicas are fenced in, by iptables.\n")
    found = everything(machine, one)
    assert closed(found), found
    assert works(machine, one)
    code, said = machine.manage("isolation", "--remove", **there(machine))
    assert (code, said) == (0, "The rules around replicas are gone.\n")
    assert not remains(machine)


def test_a_worker_without_the_rights_has_a_helper_do_it(machine, one):
    apply = ("isolation", "--apply")
    code, said = machine.manage(*apply, drop="net_admin", **there(machine))
    assert code == 0, said
    assert said == "Replicas are fenced in, by iptables through a helper container.\n"
    found = everything(machine, one)
    assert closed(found), found
    remove = ("isolation", "--remove")
    code, said = machine.manage(*remove, drop="net_admin", **there(machine))
    assert code == 0, said
    assert not remains(machine)


@pytest.mark.parametrize("dialect", ["nft", "legacy"])
def test_both_dialects_of_iptables_print_what_we_say(machine, tmp_path, dialect):
    """Else each look would find something to change."""
    for name in ("iptables", "ip6tables", "iptables-restore", "ip6tables-restore"):
        program = shutil.which(name.replace("tables", f"tables-{dialect}"))
        assert program, f"Debian's package iptables has {name} in both dialects"
        (tmp_path / name).symlink_to(program)

    class Place:
        root = ""

        def run(self, script):
            return machine.run(f"PATH={tmp_path}:$PATH\n{script}")

    every = {
        "nameservers": ("10.0.0.53", "fd00::53"),
        "allow": (target("10.0.0.5:443"), target("[fd00::5]:80"), target("fd01::/16")),
        "deny": ("198.51.100.0/24", "2001:db8::/32"),
        "internet": False,
    }
    for fence in (Fence("alight0000000a"), Fence("alight0000000a", **every)):
        assert fencing.put_up(Place(), fence) == "iptables"
        assert fencing.missing(Place(), fence) == []
    assert fencing.take_down(Place(), fence.bridge)
    assert not fencing.take_down(Place(), fence.bridge)


def test_the_internet_can_be_forbidden(machine, one):
    with fenced(machine, internet=False):
        assert one.hears(f"{NET}.2") == ""
        assert not one.resolves("alight.example")
        assert "hello" in machine_hears(machine, one)


def test_single_addresses_can_be_allowed(machine, one):
    allow = (target(f"{LAN}.2:80"), target("[fd00::5]:443"))
    with fenced(machine, allow=allow, deny=(f"{NET}.0/24",)):
        assert one.hears(f"{LAN}.2") == "lan"
        assert one.hears(CLOUD) == ""
        assert one.hears(f"{NET}.2") == ""


def test_a_published_port_is_no_way_round(machine, one):
    image = machine.engine.tiny_image()
    serve = ("httpd", "-f", "-p", "80", "-h", "/www")
    machine.engine.docker("network", "create", "others")
    way = ("--network", "others", "-p", "8090:80")
    held = machine.engine.docker("run", "-d", *way, image, *serve)
    request = f"echo GET / | nc -w 2 {one.gateway} 8090; true"
    ask = ("sh", "-c", request)
    until(lambda: "HTTP/1.1" in one.run(*ask))
    with fenced(machine):
        assert one.run(*ask) == ""
    machine.engine.docker("rm", "-f", held)


@pytest.mark.skipif(not shutil.which("nft"), reason="there is no nft here")
def test_nft_does_the_same(machine, one):
    fence = Fence(BRIDGE, nameservers=(NAMES,))
    machine.at(machine.host, "nft", "-f", "-", input=nft.change("", fence))
    found = everything(machine, one)
    assert closed(found), found
    assert works(machine, one)
    table = ("nft", "list", "table", "inet", BRIDGE)
    there = machine.at(machine.host, *table)
    assert nft.change(there, fence) == ""
    removal = nft.removal(there, BRIDGE)
    machine.at(machine.host, "nft", "-f", "-", input=removal)
    assert machine.at(machine.host, *table) == ""


def test_ipv6_is_no_way_round(machine, one):
    """Docker gives replicas none; were one to get it, the same rules hold."""
    pid = machine.engine.docker("inspect", "-f", "{{.State.Pid}}", one.id)
    inside = ["nsenter", "--target", pid, "--net"]
    for words in (
        ("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=0"),
        ("ip", "addr", "add", "fd77::2/64", "dev", "eth0", "nodad"),
    ):
        subprocess.run([*inside, *words], check=True)
    machine.give(machine.host, "fd77::1/64", BRIDGE)
    machine.serve(machine.host, f"fd77::1:{CONTROL + 1}=six")
    assert one.hears("fd77::1", CONTROL + 1) == "six"
    with fenced(machine):
        assert one.hears("fd77::1", CONTROL + 1) == ""


def test_a_restart_of_docker_takes_nothing_away(machine, one):
    with fenced(machine):
        before = remains(machine)
        machine.engine.stop()
        machine.start("--live-restore")
        assert remains(machine) == before
        found = everything(machine, one)
        assert closed(found), found
        assert works(machine, one)


@pytest.mark.usefixtures("one")
def test_what_somebody_took_away_comes_back(machine, keeper):
    keeper.sweep()
    before = remains(machine)
    machine.at(machine.host, "iptables", "-D", "INPUT", "1")
    machine.at(machine.host, "iptables", "-F", f"{BRIDGE}-out")
    assert remains(machine) != before
    assert keeper.sweep() > 60
    assert remains(machine) == before
    keeping.take_down()


def test_what_cannot_be_done_is_said(machine, keeper, engine, caplog):
    def refuse(script):
        raise keeping.EngineError("The Docker engine refused: no bind mounts here.")

    engine.in_network, whole = refuse, engine.in_network
    try:
        keeper.before_start()
        assert keeper.sweep() == 60
    finally:
        del engine.in_network
        assert engine.in_network == whole
    assert "Replicas are not fenced in: they can reach this machine" in caplog.text
    assert "no bind mounts here." in caplog.text
    assert len(caplog.records) == 1
    assert not remains(machine)


def test_a_replica_cannot_pretend_to_be_another(one):
    """Whoever may write raw packets answers for a neighbour's address."""
    masks = one.run("grep", "CapBnd", "/proc/1/status").split()
    raw = 1 << 13
    assert masks[0] == "CapBnd:"
    assert not int(masks[1], 16) & raw
