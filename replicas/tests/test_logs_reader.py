"""What a page is told: the backlog, then what is new; nothing twice or missing."""

import asyncio
from contextlib import aclosing

import pytest
from asgiref.sync import sync_to_async

from endpoints.tests.factories import EndpointFactory
from replicas.logs import courier as courier_module
from replicas.logs import feed, files, store
from replicas.logs import reader as reader_module
from replicas.logs.reader import LogReader
from replicas.logs.records import Attempt, Draft
from replicas.tests.factories import ReplicaFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.valkey]


@pytest.fixture(autouse=True)
def log_dir(settings, tmp_path):
    settings.ALIGHT_LOG_DIR = tmp_path / "logs"


@pytest.fixture
def replica(valkey):
    return ReplicaFactory(endpoint=EndpointFactory(), number=2, attempt=1)


@pytest.fixture
async def reader(replica):
    made = LogReader(replica.endpoint_id)
    yield made
    await made.close()


def write(replica, *texts, at=1_700_000_000_000_000_000, publish=True, attempt=1):
    """Lines as the follower writes them: to the file, then to the stream."""
    owner = Attempt(replica.endpoint_id, replica.pk, attempt)
    file = files.LogFile(owner)
    drafts = [Draft(at + n, "oi-", text) for n, text in enumerate(texts)]
    _, block = file.append(drafts)
    file.close()
    if publish:
        feed.publish(owner, block)


async def collect(reader, count=0, *, until=0):
    """Messages of `follow` until they hold so many lines, or tell of so many in all."""
    found = []
    async with asyncio.timeout(60), aclosing(reader.follow()) as messages:
        async for message in messages:
            found.append(message)
            if until and message["total"] >= until:
                break
            if count and sum(len(m["lines"]) for m in found) >= count:
                break
    return found


other_replica = sync_to_async(lambda: ReplicaFactory(endpoint=EndpointFactory()))


def texts(*messages):
    return [line["text"] for message in messages for line in message["lines"]]


async def test_the_backlog_then_what_is_new(replica, reader):
    write(replica, "one", "two")
    backlog = await reader.backlog()
    write(replica, "three")
    news = await collect(reader, 1)
    assert texts(backlog) == ["one", "two"]
    assert texts(*news) == ["three"]
    assert news[0]["topic"] == "log"
    assert news[0]["total"] == 3
    assert news[0]["cursors"] == {f"{replica.pk}:1": 3}
    assert news[0]["lines"][0] | {"t": 0} == {
        "k": f"{replica.pk}:1",
        "n": 3,
        "t": 0,
        "r": 2,
        "a": 1,
        "src": "stdout",
        "level": "info",
        "text": "three",
    }


async def test_the_backlog_is_the_newest_lines(replica, reader):
    write(replica, *map(str, range(5000)))
    backlog = await reader.backlog(limit=2000)
    assert texts(backlog) == [str(n) for n in range(3000, 5000)]
    assert backlog["total"] == 5000
    assert "dropped" not in backlog


async def test_a_page_that_comes_back_gets_the_gap(replica, reader):
    write(replica, "one", "two")
    cursors = (await reader.backlog())["cursors"]
    write(replica, "three", "four")
    again = LogReader(replica.endpoint_id)
    backlog = await again.backlog(cursors)
    await again.close()
    assert texts(backlog) == ["three", "four"]
    assert "dropped" not in backlog


async def test_a_gap_too_long_is_said(replica, reader):
    write(replica, "one")
    cursors = (await reader.backlog())["cursors"]
    write(replica, *map(str, range(300)))
    again = LogReader(replica.endpoint_id)
    backlog = await again.backlog(cursors, limit=100)
    await again.close()
    assert texts(backlog) == [str(n) for n in range(200, 300)]
    assert backlog["dropped"] == 200


async def test_a_new_attempt_appears_by_itself(replica, reader):
    write(replica, "first start")
    await reader.backlog()
    write(replica, "second start", attempt=2)
    (news,) = await collect(reader, 1)
    assert [(line["a"], line["text"]) for line in news["lines"]] == [
        (2, "second start")
    ]


async def test_what_the_stream_lacks_comes_from_the_file(replica, reader):
    write(replica, "one")
    await reader.backlog()
    write(replica, "two", publish=False)
    write(replica, "three")
    assert texts(*await collect(reader, 2)) == ["two", "three"]


async def test_entries_out_of_order_and_twice_are_given_once(replica, reader):
    owner = Attempt(replica.endpoint_id, replica.pk, 1)
    await reader.backlog()
    write(replica, "one", "two", publish=False)
    for block in ("2 1 oi- two\n", "1 1 oi- one\n", "1 1 oi- one\n2 1 oi- two\n"):
        feed.publish(owner, block)
    write(replica, "three")
    assert texts(*await collect(reader, 3)) == ["one", "two", "three"]


async def test_lines_go_on_without_valkey(replica, reader, no_valkey):
    alone = LogReader(replica.endpoint_id)
    write(replica, "one", publish=False)
    backlog = await alone.backlog()
    write(replica, "two", publish=False)
    news = await collect(alone, 1)
    await alone.close()
    assert texts(backlog, *news) == ["one", "two"]


async def test_a_flood_is_cut_and_says_so(replica, reader):
    await reader.backlog()
    for start in range(0, 4000, 1000):
        write(replica, *map(str, range(start, start + 1000)))
    found = await collect(reader, until=4000)
    assert all(len(message["lines"]) <= 500 for message in found)
    assert texts(*found)[-500:] == [str(n) for n in range(3500, 4000)]
    given, dropped = len(texts(*found)), sum(m.get("dropped", 0) for m in found)
    assert given + dropped == 4000


async def test_what_nobody_told_of_is_found_on_file(replica, reader, monkeypatch):
    monkeypatch.setattr(reader_module, "_LOOK_SECONDS", 0.05)
    await reader.backlog()
    write(replica, "one", publish=False)
    assert texts(*await collect(reader, 1)) == ["one"]


async def test_all_open_logs_wait_on_one_connection(replica, valkey):
    # What the test before has closed, Valkey may not have heard of yet.
    before = {client["id"] for client in valkey.client_list()}
    replicas = [replica, *[await other_replica() for _ in range(3)]]
    readers = [LogReader(one.endpoint_id) for one in replicas for _ in range(5)]
    for one in readers:
        await one.backlog()
    for one in replicas:
        write(one, f"of {one.pk}")
    for n, one in enumerate(readers):
        assert texts(*await collect(one, 1)) == [f"of {replicas[n // 5].pk}"]
    there = [c for c in valkey.client_list() if c["id"] not in before]
    assert len([c for c in there if c["cmd"] == "xread"]) == 1
    for one in readers:
        await one.close()


async def test_a_hundred_viewers_leave_nothing_behind(replica, valkey):
    write(replica, "one")
    before = len(valkey.client_list())
    viewers = [LogReader(replica.endpoint_id) for _ in range(100)]
    for viewer in viewers:
        await viewer.backlog()
    for viewer in viewers:
        await viewer.close()
    async with asyncio.timeout(60):
        # What it still waited for is over within two seconds.
        while len(valkey.client_list()) > before:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)
    assert courier_module._couriers[asyncio.get_running_loop()] == {}


async def test_a_page_that_takes_nothing_holds_little(replica, reader):
    await reader.backlog()
    for n in range(300):
        write(replica, f"{n} {'x' * 1000}")
    other = LogReader(replica.endpoint_id)
    await other.backlog({f"{replica.pk}:1": 0})
    write(replica, "last")
    assert texts(*await collect(other, 1)) == ["last"]
    await other.close()
    assert len(reader._bag._entries) <= 64
    # What gave way is on file.
    assert len(texts(*await collect(reader, until=301))) == 301


async def test_lines_of_ours_are_among_them(replica, reader):
    write(replica, "one")
    await reader.backlog()
    await asyncio.to_thread(
        store.system, replica.endpoint_id, replica.pk, 1, "Pulling image", "warn"
    )
    (news,) = await collect(reader, 1)
    line = news["lines"][0]
    assert (line["src"], line["level"]) == ("system", "warn")
    assert line["text"] == "Pulling image"


async def test_a_reader_that_is_cancelled_ends(replica, reader):
    await reader.backlog()

    async def read():
        async for _ in reader.follow():
            pass

    for _ in range(5):
        task = asyncio.create_task(read())
        await asyncio.sleep(0.002)
        task.cancel()
        async with asyncio.timeout(60):
            await asyncio.wait([task])
        assert task.cancelled()
