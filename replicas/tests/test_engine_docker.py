"""What only real Docker can show: limits, isolation, volumes, long lines."""

from __future__ import annotations

import asyncio
import urllib.request

import pytest

from replicas.engine import docker, names
from replicas.engine.base import EngineRefused, GpuUnavailable, Known
from replicas.engine.docker import DockerEngine
from replicas.tests.engine_fixtures import tiny
from replicas.tests.engine_fixtures.bench import DockerBench, next_event

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module", autouse=True)
def tidy():
    yield
    tiny.forget()


@pytest.fixture
async def bench():
    made = await DockerBench.open()
    yield made
    await made.close()


def script(text: str) -> dict[str, object]:
    return {"args": ("sh", "-c", text)}


async def run_to_end(bench, text: str, **changes):
    """Run a script to its end: what the container became, and what it wrote."""
    events = bench.streams.events(bench.labels)
    container_id = await asyncio.to_thread(bench.run, **(script(text) | changes))
    lines = [chunk async for chunk in bench.streams.logs(container_id, since=0)]
    await next_event(events, "die", container_id)
    await events.aclose()
    return bench.look(container_id), lines


# --- Limits and safety --------------------------------------------------------
async def test_running_out_of_memory_is_seen(bench):
    text = "exec /bin/busybox dd if=/dev/zero of=/dev/null bs=256M count=1"
    told = []
    # Under load the engine misses one in twenty: its cgroup is gone too soon.
    while not any(told) and len(told) < 5:
        seen, _ = await run_to_end(bench, text, memory_mb=16)
        assert seen.exit_code == 137
        told.append(seen.oom)
    assert any(told)


async def test_a_memory_limit_too_low_is_said(bench):
    with pytest.raises(EngineRefused, match="larger tier"):
        bench.engine.create(bench.wanted(memory_mb=1))


async def test_nothing_inside_may_gain_rights(bench):
    text = "cat /proc/self/status; cat /proc/1/cmdline; echo $NVIDIA_VISIBLE_DEVICES"
    _, lines = await run_to_end(bench, text)
    status = "\n".join(line.text for line in lines)
    assert "NoNewPrivs:\t1" in status
    assert "docker-init" in status
    assert lines[-1].text.endswith("\0void")


async def test_a_gpu_that_the_engine_cannot_give(bench):
    made = bench.engine.create(bench.wanted(gpus=("GPU-nobody-has",)))
    with pytest.raises(GpuUnavailable):
        bench.engine.start(made.id)
    seen = bench.look(made.id)
    assert (seen.created, seen.running, seen.exit_code) == (True, False, None)


async def test_shared_memory_has_its_size(bench):
    container_id = bench.run(shm_mb=32)
    attrs = bench.client.inspect_container(container_id)
    assert attrs["HostConfig"]["ShmSize"] == 32 * 1024 * 1024


async def test_files_on_a_volume_outlive_the_container(bench):
    volume = f"alight-{bench.installation}-1-files"
    kept = {"volumes": ((volume, "/data"),)}
    seen, _ = await run_to_end(bench, "echo kept > /data/note", **kept)
    bench.engine.remove(seen.id)
    _, lines = await run_to_end(bench, "cat /data/note", **kept)
    assert [line.text for line in lines] == ["kept"]
    labels = bench.client.inspect_volume(volume)["Labels"]
    assert labels == {names.INSTALLATION: bench.installation}


# --- Network ------------------------------------------------------------------
def get(address: str, path: str = "") -> bytes:
    with urllib.request.urlopen(f"http://{address}:8080/{path}", timeout=60) as answer:
        return answer.read()


async def listening(bench, container_id: str) -> str:
    while 8080 not in bench.engine.listening_ports(container_id):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    return bench.look(container_id).address


async def found_ports(bench, container_id: str, **where) -> list[int]:
    """What is found first. A busy engine loses what a command said once in a while."""
    while not (  # noqa: ASYNC110
        found := bench.engine.listening_ports(container_id, **where)
    ):
        await asyncio.sleep(0.05)
    return found


async def test_the_host_reaches_a_replica_and_replicas_do_not(bench):
    address = await listening(bench, bench.run("listens"))
    assert b"tiny" in await asyncio.to_thread(get, address)
    text = f"nc -w 2 {address} 8080 < /dev/null 2>&1 && echo open || echo closed"
    _, lines = await run_to_end(bench, text)
    assert lines[-1].text == "closed"


async def test_ports_are_found_from_inside_when_the_process_is_not_visible(
    bench, monkeypatch
):
    container_id = bench.run("listens")
    await listening(bench, container_id)
    monkeypatch.setattr(docker, "_read_sockets", lambda pid, container_id: None)
    assert await found_ports(bench, container_id) == [8080]
    assert await found_ports(bench, container_id, loopback=True) == [9090]


async def test_work_and_bytes_sent_are_counted(bench):
    text = (
        "head -c 5000000 /dev/zero > /www/big; httpd -p 8080 -h /www; yes > /dev/null"
    )
    container_id = bench.run(**script(text), memory_mb=64)
    address = await listening(bench, container_id)
    before = await bench.streams.usage(container_id)
    await asyncio.to_thread(get, address, "big")
    after = before
    # The engine looks about once a second, and tells what it saw last.
    while after.sent - before.sent < 5_000_000 or after.cpu - before.cpu < 0.2:
        after = await bench.streams.usage(container_id)
    assert after.sent - before.sent < 6_000_000
    assert after.received > before.received
    span = (after.at - before.at).total_seconds()
    assert after.cpu - before.cpu < span * bench.engine.node().cores


async def test_one_network_for_all_made_once(bench):
    wanted = [bench.wanted() for _ in range(4)]
    await asyncio.gather(*[asyncio.to_thread(bench.engine.create, w) for w in wanted])
    name = names.network_name(bench.installation)
    (network,) = bench.client.networks(names=[name])
    assert network["Labels"] == {names.INSTALLATION: bench.installation}


async def test_two_installations_do_not_share_a_subnet(bench):
    bench.engine.create(bench.wanted())
    other = DockerEngine(installation=f"{bench.installation}-b")
    made = other.create(bench.wanted())
    try:
        found = bench.client.networks(names=[names.network_name(bench.installation)])
        subnets = [net["IPAM"]["Config"][0]["Subnet"] for net in found]
        assert len(set(subnets)) == 2
    finally:
        other.remove(made.id)
        bench.client.remove_network(names.network_name(other.installation))


# --- Output -------------------------------------------------------------------
async def test_a_long_line_comes_in_parts_and_is_whole(bench):
    text = "head -c 40000 /dev/zero | tr '\\0' 'x'; echo; echo after"
    _, lines = await run_to_end(bench, text)
    assert [line.complete for line in lines] == [False, False, True, True]
    assert "".join(line.text for line in lines[:3]) == "x" * 40000
    assert len({line.at for line in lines[:3]}) == 1
    assert lines[3].text == "after"


async def test_both_streams_are_told_apart(bench):
    _, lines = await run_to_end(bench, "echo out; echo err >&2")
    assert {(line.stream, line.text) for line in lines} == {
        ("stdout", "out"),
        ("stderr", "err"),
    }


async def test_the_last_line_needs_no_newline(bench):
    seen, lines = await run_to_end(bench, "echo a; printf b")
    assert [(line.text, line.complete) for line in lines] == [
        ("a", True),
        ("b", False),
        ("", True),
    ]
    assert bench.engine.tail(seen.id, 1) == ["b"]


async def test_a_burst_at_the_end_is_not_lost(bench):
    _, lines = await run_to_end(bench, "yes 0123456789 | head -n 50000; exit 1")
    assert len(lines) == 50_000
    assert all(line.text == "0123456789" for line in lines)


async def test_the_rest_of_a_long_log_is_all_of_it(bench):
    """Read from its end or, where that does not go back far enough, by time."""
    text = "busybox seq 5000; sleep 0.5; busybox seq 20; sleep 0.5; busybox seq 20"
    seen, lines = await run_to_end(bench, text)
    assert len(lines) == 5040
    for lines_known, since in ((20, 5020), (40, 5000), (40, 5010), (60, 4990)):
        known = Known(lines_known, lines[5030].at)
        batches = bench.streams.log_batches(seen.id, since=lines[since].at, known=known)
        rest = [chunk async for batch in batches for chunk in batch]
        assert rest == [chunk for chunk in lines if chunk.at >= lines[since].at]


async def test_a_new_start_appends_to_the_same_log(bench):
    seen, lines = await run_to_end(bench, "echo again")
    await asyncio.to_thread(bench.engine.start, seen.id)
    rest = bench.streams.logs(seen.id, since=lines[-1].at + 1)
    assert [line.text async for line in rest] == ["again"]


async def test_many_are_followed_at_once(bench):
    """More than the hundred connections that HTTP clients usually allow."""
    container_id = bench.run("says")
    streams = [bench.streams.logs(container_id, since=0) for _ in range(120)]
    firsts = await asyncio.gather(*[anext(stream) for stream in streams])
    assert {chunk.text for chunk in firsts} == {"one"}
    await asyncio.gather(*[stream.aclose() for stream in streams])
