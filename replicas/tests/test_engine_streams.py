"""What the engine is asked for when output is read again."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from replicas.engine.base import Known
from replicas.engine.streams import DockerStreams

MS = 1_000_000
BEGIN = 1_769_860_800_000
LINES = 20_000


def frame(n):
    """Line `n`, a millisecond after the one before it."""
    seconds, ms = divmod(BEGIN + n, 1000)
    stamp = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}000000Z"
    payload = f"{stamp} line {n}\n".encode()
    return bytes([1, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


class Wire:
    """An engine that holds one ended container's log, and is asked over HTTP."""

    def __init__(self, lines=LINES, running=0):
        self.frames = [frame(n) for n in range(lines)]
        self.asked, self.given = [], 0
        # How often it says that the container runs, and ends its output all the same.
        self.running = running

    async def json(self, path, **rest):
        self.running -= 1
        return {"State": {"Running": self.running >= 0}}

    @asynccontextmanager
    async def open(self, method, path, *, params, **rest):
        frames = self.frames
        if "tail" in params:
            frames = frames[-int(params["tail"]) :]
        since = params["since"].partition(".")
        first = int(since[0]) * 1000 + int(since[2][:3] or 0) - BEGIN
        self.asked.append(first if first > 0 else params.get("tail", ""))

        async def pieces():
            for at in range(max(0, first), len(frames), 100):
                data = b"".join(frames[at : at + 100])
                self.given += len(frames[at : at + 100])
                yield data

        yield SimpleNamespace(content=SimpleNamespace(iter_any=pieces), connection=None)


def reader(wire):
    streams = DockerStreams("unix:///run/nobody.sock")
    streams._wire = streams._plain = wire
    return streams


async def read(wire, **where):
    batches = reader(wire).log_batches("c", **where)
    return [int(c.text.split()[1]) async for batch in batches for c in batch]


async def test_an_ended_container_is_read_once():
    wire = Wire()
    assert await read(wire, since=0) == list(range(LINES))
    assert wire.asked == [""]


async def test_what_follows_on_much_is_asked_for_by_lines():
    """Told a time, the engine would look through all it has."""
    wire = Wire(running=2)
    assert await read(wire, since=0) == list(range(LINES))
    assert wire.asked == ["", "451", "451"]
    assert wire.given < LINES + 1000


@pytest.mark.parametrize("unread", [0, 1, 200, 3000, 15_000, 17_000])
async def test_who_goes_on_gets_what_a_time_alone_would_give(unread):
    last = LINES - 1 - unread
    since = (BEGIN + last - 2000) * MS
    wire = Wire()
    told = await read(wire, since=since, known=Known(2200, (BEGIN + last) * MS))
    assert told == await read(Wire(), since=since)
    assert wire.asked[0] == "2450"
    assert wire.given < 4 * unread + 7000


async def test_a_log_that_is_gone_is_asked_for_once():
    wire = Wire(lines=0)
    assert await read(wire, since=BEGIN * MS, known=Known(100, BEGIN * MS)) == []
    assert wire.asked[0] == "350"
    assert "1350" not in wire.asked
