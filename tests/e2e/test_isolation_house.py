"""A whole console puts the rules up for its replicas, and takes them down again."""

import subprocess

import pytest

from launcher.replicas import installation
from replicas.engine import names
from tests.api import Api
from tests.console import running_console

pytestmark = [pytest.mark.docker, pytest.mark.haproxy, pytest.mark.valkey]

READY, ENDS = "ReplicaRunning", ("ReplicaFailed", "StartTimedOut", "ContainerExited")


@pytest.fixture
def house(docker_engine):
    with running_console(ALIGHT_REPLICA_INTERNET="no") as made:
        yield made


def rules(house):
    """Those of this installation's replicas, in this machine's packet filter."""
    done = subprocess.run(
        ["iptables", "-S"], capture_output=True, text=True, check=True
    )
    bridge = names.bridge_name(installation(house.config))
    return [line for line in done.stdout.splitlines() if f"{bridge}-" in line]


def test_rules_come_and_go_with_replicas(house, tiny_image):
    assert rules(house) == []
    api = Api(house)
    api.create("fenced", tiny_image, 8080, command=["httpd"], args=["-f", "-p", "8080"])
    told = api.wait_for("fenced", READY, *ENDS)
    assert READY in told
    standing = rules(house)
    assert any(
        line.endswith("-out -j REJECT --reject-with icmp-port-unreachable")
        for line in standing
    )
    assert "Replicas are fenced in, by iptables." in house.launch("status")
    assert house.manage("isolation") == "Replicas are fenced in, as the rules say."

    # They outlive the console as the replica does, and go with it.
    assert "Replicas keep running" in house.launch("down")
    assert rules(house) == standing
    assert "1 replica was stopped" in house.launch("down", "REPLICAS=1")
    assert rules(house) == []
