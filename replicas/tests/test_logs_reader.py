"""What a page is told: the backlog, then what is new; nothing twice or missing."""

import asyncio
from contextlib import aclosing

import pytest

from endpoints.tests.factories import EndpointFactory
from replicas.logs import feed, files, store
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


async def collect(reader, count):
    """Messages of `follow` until they hold so many lines."""
    found = []
    async with asyncio.timeout(10), aclosing(reader.follow()) as messages:
        async for message in messages:
            found.append(message)
            if sum(len(m["lines"]) for m in found) >= count:
                break
    return found


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


async def test_lines_go_on_without_valkey(replica, reader, settings):
    settings.ALIGHT_VALKEY_URL = "unix:///run/nobody.sock"
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
    (news,) = await collect(reader, 1)
    assert texts(news) == [str(n) for n in range(3500, 4000)]
    assert news["dropped"] == 3500
    assert news["total"] == 4000


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
        async with asyncio.timeout(8):
            await asyncio.wait([task])
        assert task.cancelled()
