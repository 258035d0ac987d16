"""What many pages share: one ear, one drawing, one look."""

import asyncio

import pytest

from endpoints import live
from replicas.consumers import endpoint as page_module
from replicas.consumers import live as pages
from replicas.models import Replica
from replicas.news import RUN, hub
from replicas.news.hub import Heard, Hub
from replicas.news.pictures import Sharing
from replicas.tests import sockets
from replicas.tests.sockets import news, update

calls = pytest.fixture(sockets.calls)
drawing = pytest.fixture(sockets.drawing)
_still = pytest.fixture(sockets.still, autouse=True)


# --- Sharing -----------------------------------------------------------------
class Work:
    """Counts its turns; each waits until it is let go on."""

    def __init__(self):
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self.turns = 0

    async def __call__(self):
        self.turns += 1
        number = self.turns
        self.begun.set()
        await self.go_on.wait()
        return number


async def test_all_who_ask_at_once_share_one_turn():
    sharing, work = Sharing(), Work()
    work.go_on.set()
    asked = [sharing.share("key", work) for _ in range(100)]
    assert set(await asyncio.gather(*asked)) == {1}


async def test_what_is_asked_during_a_turn_is_answered_by_the_next():
    sharing, work = Sharing(), Work()
    first = asyncio.create_task(sharing.share("key", work))
    await work.begun.wait()
    late = [asyncio.create_task(sharing.share("key", work)) for _ in range(3)]
    await asyncio.sleep(0)
    work.go_on.set()
    assert await asyncio.gather(first, *late) == [1, 2, 2, 2]


async def test_who_goes_away_takes_nothing_from_the_others():
    sharing, work = Sharing(), Work()
    one, other = (asyncio.create_task(sharing.share("key", work)) for _ in "ab")
    await work.begun.wait()
    one.cancel()
    work.go_on.set()
    assert await other == 1


async def test_what_fails_fails_for_all_and_may_be_asked_again():
    async def broken():
        raise LookupError

    sharing, work = Sharing(), Work()
    asked = [sharing.share("key", broken) for _ in "ab"]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in found] == [LookupError, LookupError]
    work.go_on.set()
    assert await sharing.share("key", work) == 1


# --- The numbers -------------------------------------------------------------
class Ear:
    def __init__(self):
        self.lost = []

    def hear(self, heard):
        pass

    def missed(self, topics):
        self.lost.append(set(topics))


@pytest.fixture
async def listening(monkeypatch):
    """A hub with two listeners: `listening(numbers)` checks it against these."""
    ear, other = Ear(), Ear()
    one = Hub()
    numbers = {"a": 5, "b": 7, RUN: 1}
    monkeypatch.setattr(hub, "current", lambda topics: numbers)
    await one.listen(ear, {"a", "b"})
    await one.listen(other, {"b"})
    await one.numbers({"a", "b"})

    async def check(**changed):
        numbers.update(changed)
        if not changed:
            numbers.clear()
        ear.lost, other.lost = [], []
        await one.check()
        return ear.lost, other.lost

    yield check
    await one.leave(ear)
    await one.leave(other)


async def test_a_check_tells_only_those_whose_news_was_lost(listening):
    assert await listening(a=5) == ([], [])
    assert await listening(a=6) == ([{"a"}], [])
    assert await listening(a=6) == ([], [])


async def test_another_run_of_valkey_counts_anew_so_everything_may_be_lost(listening):
    assert await listening(**{RUN: 2}) == ([{"a", "b"}], [{"b"}])
    assert await listening(a=5) == ([], [])


async def test_without_valkey_everyone_looks(listening):
    assert await listening() == ([{"a", "b"}], [{"b"}])


def test_what_waits_for_a_page_that_reads_slowly_is_bounded():
    page = pages.LiveConsumer()
    page.parts = {"hardware": pages.Part(), "page": pages.Part()}
    page.progress, page.progressed = {}, asyncio.Event()
    for seq in range(1, 1001):
        data = {"replica": seq % 2, "part": seq / 1000}
        said = {"type": "news", "topic": "endpoint.1", "seq": seq, "data": data}
        page.hear(Heard({**said, "kind": "progress"}, whole=True))
        page.hear(Heard({**said, "kind": "changed"}, whole=True))
    assert [one.news["seq"] for one in page.progress.values()] == [999, 1000]
    assert page.parts["page"].behind
    assert not page.parts["hardware"].behind


# --- Pages -------------------------------------------------------------------
@pytest.fixture
def drawings(monkeypatch):
    """How often an endpoint's page was drawn."""
    real, drawn = page_module._endpoint, []

    def counting(*given):
        drawn.append(given)
        return real(*given)

    monkeypatch.setattr(page_module, "_endpoint", counting)
    return drawn


@pytest.mark.valkey
@pytest.mark.django_db(transaction=True)
async def test_a_change_is_drawn_once_for_all_pages(
    valkey, calls, drawing, alice, drawings
):
    opened = [await calls(alice, have={}) for _ in range(20)]
    for page in opened:
        await page.first()
    drawings.clear()
    await update(Replica.objects.all(), number=7)
    await news(live.endpoint_topic(drawing.pk), 1)
    for page in opened:
        assert "Replica 7" in (await page.heard("state"))["html"]["ep-panel"]
    assert len(drawings) == 1


@pytest.mark.valkey
@pytest.mark.django_db(transaction=True)
async def test_equal_numbers_of_another_run_are_not_the_same(
    valkey, calls, drawing, alice
):
    known = await Hub().numbers({live.endpoint_topic(drawing.pk), live.HARDWARE_TOPIC})
    page = await calls(alice, have=known)
    assert await page.heard("current")
    after = await calls(alice, have={**known, RUN: known[RUN] + 1})
    assert (await after.first())["html"]


@pytest.mark.valkey
@pytest.mark.django_db(transaction=True)
async def test_progress_claims_no_change_that_was_not_sent(
    valkey, calls, drawing, alice, drawings, monkeypatch
):
    page = await calls(alice, have={})
    await page.first()
    topic = live.endpoint_topic(drawing.pk)
    await update(Replica.objects.all(), number=7)
    await news(topic, 1)
    await news(topic, 2, "progress", {"replica": 1})
    said = []
    while not {"state", "progress"} <= {one["kind"] for one in said}:
        said.append(await page.next())
    told = {one["kind"]: one.get("seq") for one in said if one["kind"] != "ping"}
    assert told["progress"] is None or list(told) == ["state", "progress"]
