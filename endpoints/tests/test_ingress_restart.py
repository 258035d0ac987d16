"""HAProxy away and back: nothing is lost, whoever notices first."""

import pytest

from endpoints.ingress import files
from endpoints.tests.ingress_parts import (
    backend,
    haproxy,
    private,
    public,
    visitor,
)

__all__ = ["backend", "haproxy", "visitor"]

pytestmark = pytest.mark.haproxy


async def test_started_again_by_itself_it_leads_where_it_led(haproxy, visitor, backend):
    one, two = await backend("one"), await backend("two")
    ingress = haproxy.ingress
    ingress.apply(public("art", one.upstream(), concurrency=1))
    ingress.apply(private("chat", two.upstream()))
    ingress.apply(public("old", one.upstream()))
    ingress.forget("old")
    haproxy.kill()
    haproxy.start()
    assert await visitor.who("art") == "one"
    assert await visitor.who("chat") == "private"
    assert await visitor.who("old") == "unknown"
    # Its replicas are still known by their keys: none is taken for a stranger.
    ingress.apply(public("art", one.upstream(), two.upstream(), concurrency=1))
    assert {await visitor.who("art") for _ in range(6)} == {"one", "two"}


async def test_sync_brings_back_what_the_files_did_not_have(haproxy, visitor, backend):
    replica = await backend("one")
    routes = [public("art", replica.upstream()), private("chat", replica.upstream())]
    haproxy.ingress.sync(routes)
    haproxy.kill()
    for path in haproxy.setup.folder.glob("*.map"):
        path.unlink()
    (haproxy.setup.folder / files.CONFIG).unlink()
    files.write_all(haproxy.setup, [])
    haproxy.start()
    assert await visitor.who("art") == "unknown"
    haproxy.ingress.sync(routes)
    assert await visitor.who("art") == "one"
    assert await visitor.who("chat") == "private"
    haproxy.kill()
    haproxy.start()
    assert await visitor.who("art") == "one"


async def test_a_fresh_start_knows_the_endpoints_and_waits_for_replicas(
    haproxy, visitor, backend
):
    replica = await backend("one")
    haproxy.kill()
    files.write_all(haproxy.setup, [public("art"), private("chat")])
    haproxy.start()
    assert await visitor.who("art") == "starting"
    assert await visitor.who("chat") == "private"
    haproxy.ingress.apply(public("art", replica.upstream()))
    assert await visitor.who("art") == "one"


async def test_sync_mends_what_somebody_changed_by_hand(haproxy, visitor, backend):
    one, two = await backend("one"), await backend("two")
    routes = [public("art", one.upstream()), public("chat", two.upstream())]
    haproxy.ingress.sync(routes)
    for command in (
        f"set server e0000/s1 addr 127.0.0.1 port {two.port}",
        "set server e0001/s1 state maint",
        "add map hosts.map evil.localhost chat",
    ):
        with haproxy.ingress._runtime() as hap:
            hap.order([command])
    assert await visitor.who("art") == "two"
    haproxy.ingress.sync(routes)
    assert await visitor.who("art") == "one"
    assert await visitor.who("chat") == "two"
    assert await visitor.who("evil") == "unknown"
