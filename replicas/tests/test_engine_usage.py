"""The engine's numbers of a container's use, in ours."""

from datetime import UTC, datetime

import pytest

from replicas.engine.translate import usage


def stats(memory, **changes):
    return {
        "read": "2026-03-04T12:00:00.5Z",
        "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
        "memory_stats": memory,
        "networks": {
            "eth0": {"rx_bytes": 100, "tx_bytes": 10},
            "eth1": {"rx_bytes": 1, "tx_bytes": 2},
        },
        **changes,
    }


V1 = {
    "usage": 5_000,
    "limit": 9_000,
    "stats": {"inactive_file": 0, "total_inactive_file": 1_000},
}
V2 = {"usage": 5_000, "limit": 9_000, "stats": {"inactive_file": 1_000}}


@pytest.mark.parametrize("memory", [V1, V2])
def test_both_versions_of_cgroups(memory):
    found = usage(stats(memory))

    assert found.at == datetime(2026, 3, 4, 12, 0, 0, 500_000, tzinfo=UTC)
    assert (found.cpu, found.memory, found.limit) == (2.5, 4_000, 9_000)
    assert (found.received, found.sent) == (101, 12)


def test_more_cache_than_use_is_none():
    memory = {"usage": 10, "limit": 100, "stats": {"inactive_file": 20}}

    assert usage(stats(memory)).memory == 0


def test_one_without_a_network_sends_nothing():
    assert usage(stats(V2, networks=None)).sent == 0


@pytest.mark.parametrize(
    "changes", [{"read": "0001-01-01T00:00:00Z"}, {"memory_stats": {}}]
)
def test_what_does_not_run_is_none(changes):
    assert usage({**stats(V2), **changes}) is None


def test_what_ended_while_it_was_asked_about_is_none():
    assert usage(None) is None
