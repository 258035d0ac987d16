"""REST: what containers write, by time and line after line."""

from datetime import UTC, datetime

import pytest
from asgiref.sync import sync_to_async

from endpoints.tests.factories import AccessKeyFactory, EndpointFactory, caller
from endpoints.tests.streams import listening
from replicas.api import logs
from replicas.logs import feed, files
from replicas.logs.records import Attempt, Draft
from replicas.tests.factories import ReplicaFactory

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = 1_000_000_000


@pytest.fixture(autouse=True)
def log_dir(settings, tmp_path):
    settings.ALIGHT_LOG_DIR = tmp_path / "logs"


@pytest.fixture
def whisper(alice):
    return EndpointFactory(name="whisper", owner=alice)


def write(replica, *texts, second=0, flags="oi-", attempt=1):
    """Lines a container wrote, one each second from noon on, published as they are."""
    owner = Attempt(replica.endpoint_id, replica.pk, attempt)
    begin = int(NOON.timestamp()) * SECOND
    file = files.LogFile(owner)
    _, block = file.append(
        [
            Draft(begin + (second + number) * SECOND + 1500, flags, text)
            for number, text in enumerate(texts)
        ]
    )
    file.close()
    feed.publish(owner, block)


def data(answer):
    return [line["data"] for line in answer.json()]


@pytest.mark.django_db
def test_one_line(alice, whisper):
    replica = ReplicaFactory(endpoint=whisper)
    write(replica, "\x1b[31mHello\x1b[0m", flags="ew-", attempt=2)
    assert caller(alice).get("/v1/logs/whisper").json() == [
        {
            "timestamp": "2026-03-01T12:00:00.000001Z",
            "replica_id": str(replica.pk),
            "attempt": 2,
            "source": "stderr",
            "level": "warn",
            "data": "\x1b[31mHello\x1b[0m",
        }
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("", ["a", "b", "c", "d"]),
        ("max_lines=2", ["c", "d"]),
        ("begin_time=2026-03-01T12:00:01Z", ["b", "c", "d"]),
        ("begin_time=2026-03-01T12:00:01Z&max_lines=2", ["b", "c"]),
        ("begin_time=2026-03-01T13:00:01%2B01:00", ["b", "c", "d"]),
        ("begin_time=2026-03-01T13:00:01+01:00", ["b", "c", "d"]),
        ("begin_time=2026-03-01T12:00:02", ["c", "d"]),
        ("end_time=2026-03-01T12:00:02Z", ["a", "b"]),
        ("begin_time=2026-03-01T12:00:01Z&end_time=2026-03-01T12:00:02Z", ["b"]),
        ("begin_time=2027-01-01T00:00:00Z", []),
    ],
)
def test_a_span_of_time(alice, whisper, asked, wanted):
    one = ReplicaFactory(endpoint=whisper, number=1)
    two = ReplicaFactory(endpoint=whisper, number=2)
    write(one, "a", "b")
    write(two, "c", "d", second=2)
    assert data(caller(alice).get(f"/v1/logs/whisper?{asked}")) == wanted
    only = caller(alice).get(f"/v1/logs/whisper?replica_id={two.pk}&{asked}")
    assert set(data(only)) <= {"c", "d"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "field", "sentence"),
    [
        ("max_lines=1001", "max_lines", "Enter 1 to 1,000 lines."),
        ("max_lines=0", "max_lines", "Enter 1 to 1,000 lines."),
        ("max_line=5", "max_line", 'There is no "max_line". Did you mean "max_lines"?'),
        ("begin_time=noon", "begin_time", "Write the time like 2026-03-01T12:00:00Z."),
        (
            "end_time=2026-02-30T12:00:00Z",
            "end_time",
            "Write the time like 2026-03-01T12:00:00Z.",
        ),
        ("replica_id=one", "replica_id", "Enter a whole number."),
    ],
)
def test_a_question_that_cannot_be(alice, whisper, asked, field, sentence):
    answer = caller(alice).get(f"/v1/logs/whisper?{asked}")
    assert answer.status_code == 400
    assert answer.json()["error"]["fields"] == {field: [sentence]}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00%2B14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
@pytest.mark.parametrize("name", ["begin_time", "end_time"])
def test_the_ends_of_time(alice, whisper, name, moment):
    write(ReplicaFactory(endpoint=whisper), "a")
    answer = caller(alice).get(f"/v1/logs/whisper?{name}={moment}")
    assert answer.status_code == 200
    inside = (name == "begin_time") == moment.startswith("0001")
    assert data(answer) == (["a"] if inside else [])


@pytest.mark.django_db
@pytest.mark.parametrize("tail", ["", "/stream"])
def test_the_log_is_the_owners(alice, whisper, charlie, tail):
    assert caller(charlie).get(f"/v1/logs/whisper{tail}").status_code == 404
    assert caller(alice).get(f"/v1/logs/other{tail}").status_code == 404


# --- Line after line ---------------------------------------------------------
@pytest.mark.valkey
@pytest.mark.django_db(transaction=True)
async def test_what_was_written_then_what_is(alice, whisper, valkey):
    replica = await sync_to_async(ReplicaFactory)(endpoint=whisper)
    key = await sync_to_async(AccessKeyFactory)(owner=alice)
    await sync_to_async(write)(replica, "a", "b")
    async with listening("/v1/logs/whisper/stream", key.token) as stream:
        assert stream.headers["Content-Type"] == "application/x-ndjson"
        assert [(await stream.next())["data"] for _ in "ab"] == ["a", "b"]
        await sync_to_async(write)(replica, "c", second=2)
        assert await stream.next() == {
            "timestamp": "2026-03-01T12:00:02.000001Z",
            "replica_id": str(replica.pk),
            "attempt": 1,
            "source": "stdout",
            "level": "info",
            "data": "c",
        }


@pytest.mark.valkey
@pytest.mark.django_db(transaction=True)
async def test_one_replica_of_two(alice, whisper, valkey):
    make = sync_to_async(ReplicaFactory)
    one, two = [await make(endpoint=whisper, number=number) for number in (1, 2)]
    key = await sync_to_async(AccessKeyFactory)(owner=alice)
    await sync_to_async(write)(two, "theirs")
    await sync_to_async(write)(one, "mine")
    path = f"/v1/logs/whisper/stream?replica_id={one.pk}"
    async with listening(path, key.token) as stream:
        assert (await stream.next())["data"] == "mine"
        await sync_to_async(write)(two, "theirs again", second=1)
        await sync_to_async(write)(one, "mine again", second=1)
        assert (await stream.next())["data"] == "mine again"


@pytest.mark.valkey
@pytest.mark.django_db(transaction=True)
async def test_a_stream_ends_with_the_endpoint(alice, whisper, valkey, monkeypatch):
    monkeypatch.setattr(logs, "BEAT_SECONDS", 0.05)
    key = await sync_to_async(AccessKeyFactory)(owner=alice)
    async with listening("/v1/logs/whisper/stream", key.token) as stream:
        assert await stream.line() == b""
        await sync_to_async(whisper.delete)()
        while (line := await stream.line()) is not None:
            assert line == b""


def test_lines_left_out_are_told():
    gap = logs.shown_gap(1204)
    assert gap["data"].startswith("1,204 lines were left out here.")
    assert gap["source"] == "system"


async def test_beats_come_in_a_flood_too():
    from endpoints.ndjson import beating

    async def flood():
        while True:
            yield 1

    got = []
    async for item in beating(flood(), 0.01):
        got.append(item)
        if item is None:
            break
    assert got.count(1) >= 1


async def test_a_beating_source_is_closed_when_nobody_listens():
    import asyncio
    from contextlib import aclosing

    from endpoints.ndjson import beating

    closed = asyncio.Event()

    async def silent():
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            closed.set()

    async with aclosing(silent()) as source, aclosing(beating(source, 60)) as items:
        assert await anext(items) == 1
        waiting = asyncio.ensure_future(anext(items))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert closed.is_set()
