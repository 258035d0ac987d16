"""What may pass, and how it is said to a packet filter."""

import ipaddress

import pytest

from replicas.engine import names
from replicas.isolation import iptables, nft
from replicas.isolation.names import nameservers
from replicas.isolation.rules import Fence, Rule, Target, digest, lists, target
from replicas.tests.filters import BARE, DOCKER, applied

FENCE = Fence("alight00000001", nameservers=("10.9.9.9", "fd00::53"))


def passes(rules, address, *, protocol="tcp", port=80):
    """Whether a new conversation to there gets through a list."""
    for rule in rules:
        fits = (
            not rule.answers
            and (not rule.network or inside(address, rule.network))
            and (not rule.protocol or (rule.protocol, rule.port) == (protocol, port))
        )
        if fits:
            return rule.passes
    return True


def inside(address, network):
    return ipaddress.ip_address(address) in ipaddress.ip_network(network)


# --- What may pass -------------------------------------------------------------
@pytest.mark.parametrize(
    ("fence", "address", "port", "through"),
    [
        # the internet is reached, and by a setting it is not
        (FENCE, "198.51.100.7", 443, True),
        (Fence("b", internet=False), "198.51.100.7", 443, False),
        (FENCE, "2001:db8::7", 443, True),
        (Fence("b", internet=False), "2001:db8::7", 443, False),
        # private networks never are, nor where clouds keep credentials
        (FENCE, "10.0.0.1", 443, False),
        (FENCE, "172.31.0.1", 443, False),
        (FENCE, "192.168.1.1", 443, False),
        (FENCE, "169.254.169.254", 80, False),
        (FENCE, "100.100.100.200", 80, False),
        (FENCE, "127.0.0.1", 80, False),
        (FENCE, "fd00:ec2::254", 80, False),
        (FENCE, "fe80::1", 80, False),
        (FENCE, "::ffff:10.0.0.1", 80, False),
        (FENCE, "2002:a00:1::1", 80, False),
        # but the engine's name servers are, at their port
        (FENCE, "10.9.9.9", 53, True),
        (FENCE, "10.9.9.9", 80, False),
        (FENCE, "fd00::53", 53, True),
        (Fence("b", internet=False, nameservers=("10.9.9.9",)), "10.9.9.9", 53, False),
        # and what somebody allowed, down to the port, also without the internet
        (Fence("b", allow=(Target("10.0.0.5/32", 443),)), "10.0.0.5", 443, True),
        (Fence("b", allow=(Target("10.0.0.5/32", 443),)), "10.0.0.5", 22, False),
        (Fence("b", allow=(Target("10.0.0.0/24"),)), "10.0.0.9", 22, True),
        (
            Fence("b", internet=False, allow=(Target("198.51.100.0/24"),)),
            "198.51.100.7",
            443,
            True,
        ),
        # public networks can be denied
        (Fence("b", deny=("198.51.100.0/24",)), "198.51.100.7", 443, False),
        (Fence("b", deny=("2001:db8::/32",)), "2001:db8::7", 443, False),
    ],
)
def test_what_replicas_reach(fence, address, port, through):
    version = ipaddress.ip_address(address).version
    assert passes(lists(fence, version).out, address, port=port) is through


@pytest.mark.parametrize("address", ["192.0.2.1", "10.213.0.1", "127.0.0.1"])
def test_of_their_machine_they_reach_nothing(address):
    assert not passes(lists(FENCE, 4).host, address)


def test_a_name_server_of_their_machine_is_reached():
    fence = Fence("b", nameservers=("172.17.0.1",))
    assert passes(lists(fence, 4).host, "172.17.0.1", protocol="udp", port=53)
    assert not passes(lists(fence, 4).host, "172.17.0.1", protocol="udp", port=80)


def test_of_their_machine_they_reach_what_is_allowed_by_its_address():
    one = Fence("b", allow=(target("10.213.0.1:9000"),))
    assert passes(lists(one, 4).host, "10.213.0.1", port=9000)
    assert not passes(lists(one, 4).host, "10.213.0.1", port=8080)
    whole = Fence("b", allow=(target("10.0.0.0/8"), target("fd00::/8")))
    assert passes(lists(whole, 4).out, "10.0.0.1")
    assert not passes(lists(whole, 4).host, "10.213.0.1")
    assert not passes(lists(whole, 6).host, "fd00::1")


@pytest.mark.parametrize("address", ["10.213.0.2", "198.51.100.7"])
def test_nobody_beyond_their_machine_reaches_them(address):
    assert not passes(lists(FENCE, 4).into, address)
    allowed = Fence("b", allow=(Target("10.0.0.0/8"),))
    assert not passes(lists(allowed, 4).into, address)


@pytest.mark.parametrize("version", [4, 6])
def test_answers_always_pass_first(version):
    found = lists(Fence("b", internet=False), version)
    for rules in (found.out, found.into, found.host):
        assert rules[0] == Rule(passes=True, answers=True)


def test_neighbours_are_found_in_ipv6():
    kinds = [rule.icmp for rule in lists(FENCE, 6).host if rule.icmp]
    assert kinds == [135, 136]
    assert not [rule for rule in lists(FENCE, 4).host if rule.icmp]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10.0.0.5", Target("10.0.0.5/32")),
        ("10.0.0.5:443", Target("10.0.0.5/32", 443)),
        ("192.168.3.9/24", Target("192.168.3.0/24")),
        ("fd00::5", Target("fd00::5/128")),
        ("[fd00::5]:443", Target("fd00::5/128", 443)),
    ],
)
def test_a_target_is_read(text, said):
    assert target(text) == said


# --- In the words of iptables ------------------------------------------------------
@pytest.mark.parametrize("before", [DOCKER, BARE])
@pytest.mark.parametrize("version", [4, 6])
def test_once_up_there_is_nothing_to_change(before, version):
    text = iptables.change(before, FENCE, version)
    after = applied(before, text)
    assert iptables.change(after, FENCE, version) == ""
    assert set(before.splitlines()) <= set(after.splitlines())
    assert iptables.removal(after, "alight00000001")
    assert applied(after, iptables.removal(after, "alight00000001")) == before


def test_where_nothing_is_up_nothing_is_removed():
    assert iptables.removal(DOCKER, "alight00000001") == ""


def test_docker_is_asked_after_us():
    after = applied(DOCKER, iptables.change(DOCKER, FENCE, 4)).splitlines()
    mine = [line for line in after if line.startswith("-A DOCKER-USER ")]
    assert mine == [
        "-A DOCKER-USER -i alight00000001 -j alight00000001-out",
        "-A DOCKER-USER -o alight00000001 -j alight00000001-in",
        "-A DOCKER-USER -j RETURN",
    ]
    assert after.index(
        "-A INPUT -i alight00000001 -j alight00000001-host"
    ) < after.index("-A INPUT -i lo -j ACCEPT")


def up(before=DOCKER, fence=FENCE):
    return applied(before, iptables.change(before, fence, 4))


@pytest.mark.parametrize(
    "broken",
    [
        # a rule taken out, one put in, a jump gone, one twice, one after the end
        lambda text: text.replace(
            "\n-A alight00000001-host -j REJECT --reject-with icmp-port-unreachable", ""
        ),
        lambda text: text + "\n-A alight00000001-out -j ACCEPT",
        lambda text: text.replace(
            "\n-A INPUT -i alight00000001 -j alight00000001-host", ""
        ),
        lambda text: text + "\n-A INPUT -i alight00000001 -j alight00000001-host",
        lambda text: (
            text.replace(
                "-A DOCKER-USER -i alight00000001 -j alight00000001-out",
                "-A DOCKER-USER -j RETURN",
            )
            + "\n-A DOCKER-USER -i alight00000001 -j alight00000001-out"
        ),
        lambda text: "-A INPUT -i alight00000001 -j ACCEPT\n" + text,
        # Docker put its own jump on top again, or was taken off the machine
        lambda text: text.replace("-A FORWARD -j DOCKER-USER\n", ""),
        lambda text: up(BARE).replace(
            "-P OUTPUT ACCEPT", "-N DOCKER-USER\n-A FORWARD -j DOCKER-USER"
        ),
    ],
)
def test_what_somebody_broke_is_mended(broken):
    before = broken(up())
    after = applied(before, iptables.change(before, FENCE, 4))
    assert before != up()
    assert iptables.change(before, FENCE, 4) != ""
    assert iptables.change(after, FENCE, 4) == ""


@pytest.mark.parametrize(
    ("first", "stays"),
    [
        ("-A INPUT -i lo -j ACCEPT", True),
        ("-A INPUT -s 198.51.100.9/32 -j DROP", True),
        ("-A INPUT -i alight00000002 -j alight00000002-host", True),
        ("-A DOCKER-USER -o alight00000002 -j alight00000002-in", True),
        # whatever may let them pass comes after
        ("-A INPUT -j ufw-before-input", False),
        ("-A INPUT -m conntrack --ctstate NEW -j ACCEPT", False),
        ("-A INPUT ! -i eth0 -j ACCEPT", False),
        ("-A DOCKER-USER -i eth0 -j RETURN", False),
    ],
)
def test_rules_of_others_stay_before_ours_if_they_let_nothing_pass(first, stays):
    text = iptables.change(f"{first}\n{up()}", FENCE, 4)
    assert (text == "") is stays


def test_another_setting_changes_the_rules():
    closed = Fence("alight00000001", internet=False)
    text = iptables.change(up(), closed, 4)
    assert iptables.change(applied(up(), text), closed, 4) == ""
    assert digest(closed) != digest(FENCE)


def test_two_installations_do_not_touch_each_other():
    both = applied(up(), iptables.change(up(), Fence("alight00000002"), 4))
    assert iptables.change(both, FENCE, 4) == ""
    assert applied(both, iptables.removal(both, "alight00000002")) == up()


def test_names_of_chains_fit():
    assert max(map(len, iptables.chains(names.bridge_name("lab")))) <= 28


# --- In the words of nft -----------------------------------------------------------
def test_a_table_is_replaced_at_once():
    text = nft.change("", FENCE)
    lines = text.splitlines()
    assert lines[:3] == [
        "add table inet alight00000001",
        "delete table inet alight00000001",
        "table inet alight00000001 {",
    ]
    assert text.count("{") == text.count("}")
    assert "meta nfproto ipv4 ip daddr 10.9.9.9/32 udp dport 53 return" in lines
    assert "meta nfproto ipv4 ip daddr 192.168.0.0/16 reject" in lines
    assert "meta nfproto ipv6 ip6 daddr fc00::/7 reject" in lines


def test_a_table_that_is_right_stays():
    there = f"table inet alight00000001 {{\n\tchain rules-{digest(FENCE)} {{\n\t}}\n}}"
    assert nft.change(there, FENCE) == ""
    assert nft.change(there, Fence("alight00000001", internet=False)) != ""


def test_a_table_is_removed_only_when_there():
    assert nft.removal("", "alight00000001") == ""
    assert "delete table inet alight00000001" in nft.removal(
        "table inet alight00000001 {\n}", "alight00000001"
    )


# --- Name servers ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("daemon", "resolv", "behind", "asked"),
    [
        ("", "nameserver 10.0.0.2\n", "", ("10.0.0.2",)),
        ("", "# none\nsearch lab\nnameserver\n", "", ()),
        (
            "",
            "nameserver 10.0.0.2\nnameserver 10.0.0.3\n",
            "",
            ("10.0.0.2", "10.0.0.3"),
        ),
        # a stub of systemd stands for a list; another program at home is not reached
        ("", "nameserver 127.0.0.53\n", "nameserver 10.0.0.4\n", ("10.0.0.4",)),
        ("", "nameserver 127.0.0.1\n", "nameserver 10.0.0.4\n", ()),
        # the engine's own choice comes first
        ('{"dns": ["10.0.0.9"]}', "nameserver 10.0.0.2\n", "", ("10.0.0.9",)),
        ('{"dns": []}', "nameserver 10.0.0.2\n", "", ("10.0.0.2",)),
        ("not json", "nameserver 10.0.0.2\n", "", ("10.0.0.2",)),
        ("[]", "nameserver 10.0.0.2\n", "", ("10.0.0.2",)),
        ("", "nameserver fe80::1%eth0\nnameserver fd00::2\n", "", ("fd00::2",)),
    ],
)
def test_which_servers_are_asked_for_names(daemon, resolv, behind, asked):
    assert nameservers(daemon, resolv, behind) == asked
