"""The charts on an endpoint's page: who sees them, other ranges, and live."""

import asyncio

import pytest
from django.urls import reverse
from django.utils import timezone

from endpoints.models import Event
from endpoints.steps import Reason
from endpoints.tests.factories import EndpointFactory, EventFactory, MediumTierFactory
from replicas.consumers import endpoint
from replicas.consumers import live as pages
from replicas.fragments import sparks
from replicas.tests import sockets
from replicas.tests.factories import ReplicaFactory
from replicas.tests.told_points import keep, point, tell_an_hour

calls = pytest.fixture(sockets.calls)


@pytest.fixture
def drawing(alice):
    made = timezone.now() - timezone.timedelta(days=8)
    endpoint = EndpointFactory(name="drawing", owner=alice, tier=MediumTierFactory())
    type(endpoint).objects.filter(pk=endpoint.pk).update(created_at=made)
    endpoint.refresh_from_db()
    return endpoint


@pytest.fixture
def as_alice(client, alice):
    client.force_login(alice)
    return client


PAGE = reverse("replicas:endpoint", args=["drawing"])
CHARTS = reverse("replicas:charts", args=["drawing"])


def test_charts_start_with_the_first_request(as_alice, drawing):
    keep(drawing, timezone.now(), point(0))
    html = as_alice.get(PAGE).content.decode()
    assert "No requests yet" in html
    assert "Charts start with the first request." in html
    assert "data-chart" not in html
    assert "?range=" not in html


def test_the_page_has_its_charts_without_scripts(as_alice, drawing):
    tell_an_hour(drawing, timezone.now(), gpu=True)
    html = as_alice.get(PAGE).content.decode()
    for words in (
        'aria-label="Requests a minute, last hour: now ',
        "1 cold start",
        "GPU memory",
        "of 48 GB",
        f'href="{PAGE}?range=6h#h-metrics"',
        " UTC</time>",
    ):
        assert words in html
    assert " style=" not in html


def test_a_quiet_hour_still_has_charts_and_ranges(as_alice, drawing):
    drawing.last_request_at = timezone.now() - timezone.timedelta(days=2)
    drawing.save()
    html = as_alice.get(PAGE).content.decode()
    assert "Requests a minute, last hour: now 0, at most 0" in html
    assert "No requests yet" not in html


@pytest.mark.parametrize("step", [60, 900])
def test_another_range_is_drawn_by_the_page_and_alone(
    as_alice, drawing, step, time_machine
):
    # The charts move on with the clock, from one question to the next.
    time_machine.move_to(timezone.now(), tick=False)
    drawing.last_request_at = timezone.now()
    drawing.save()
    keep(drawing, timezone.now() - timezone.timedelta(hours=5),
         point(9, seconds=step, ended=True), step)  # fmt: skip
    key = {60: "6h", 900: "7d"}[step]
    whole = as_alice.get(PAGE, {"range": key}).content.decode()
    alone = as_alice.get(CHARTS, {"range": key}).content.decode()
    assert alone.strip() in whole
    assert alone.count('aria-current="true"') == 1
    spoken = {
        60: "Requests a minute, last 6 hours: now 0, at most 3",
        900: "Requests an hour, last 7 days: now 0, at most 9",
    }
    assert spoken[step] in alone


def test_the_ribbons_tell_of_everybody_who_ran_in_the_last_hour(as_alice, drawing):
    """Also of a replica that scaling to zero ended many replicas ago."""
    now = timezone.now()
    for minutes in range(5, 50, 5):
        began = now - timezone.timedelta(minutes=minutes)
        over = began + timezone.timedelta(minutes=2)
        replica = ReplicaFactory(
            endpoint=drawing, number=1, state="stopped", since=over
        )
        for reason, at in ((Reason.RUNNING, began), (Reason.STOPPED, over)):
            told = EventFactory(endpoint=drawing, replica_id=replica.pk, reason=reason)
            Event.objects.filter(pk=told.pk).update(at=at)
    html = as_alice.get(PAGE).content.decode()
    assert html.count('class="rb-ready"') == 9
    assert "Replica 1, last hour: ready for 18 min" in html


def test_charlie_finds_no_charts(client, charlie, drawing):
    client.force_login(charlie)
    assert client.get(CHARTS).status_code == 404


def test_charts_ask_two_questions_however_long_the_range(
    as_alice, drawing, django_assert_num_queries
):
    tell_an_hour(drawing, timezone.now())
    from replicas.fragments import charts_context

    for key in ("1h", "7d"):
        with django_assert_num_queries(2):
            charts_context(drawing, key)


# --- Live ---------------------------------------------------------------------------
live = [
    pytest.mark.valkey,
    pytest.mark.django_db(transaction=True),
]


class TestLive:
    pytestmark = live

    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch, valkey):
        monkeypatch.setattr(pages, "CHARTS_SECONDS", 0.05)

    async def charts(self, socket):
        while True:
            message = await socket.heard("state")
            if "ep-charts" in message["html"]:
                return message["html"]["ep-charts"]

    async def test_charts_come_by_themselves_and_only_when_they_differ(
        self, calls, drawing, alice
    ):
        from channels.db import database_sync_to_async

        socket = await calls(alice, have={})
        assert "No requests yet" in await self.charts(socket)
        await database_sync_to_async(tell_an_hour)(drawing, timezone.now())
        # Had the empty ones been sent again, they would come first.
        assert "Requests a minute, last hour" in await self.charts(socket)

    async def test_the_page_says_which_range_it_shows(self, calls, drawing, alice):
        await sockets.update(
            type(drawing).objects.filter(pk=drawing.pk), last_request_at=timezone.now()
        )
        socket = await calls(alice, have={})
        assert 'data-range="1h"' in (await self.charts(socket))[:120]
        await socket.say({"charts": "7d"})
        while "last 7 days" not in (found := await self.charts(socket)):
            assert "last hour" in found
        await socket.say({"charts": {"odd": 1}})
        assert "last hour" in await self.charts(socket)

    async def test_a_range_that_was_left_is_not_drawn_over_the_new_one(
        self, calls, drawing, alice, monkeypatch
    ):
        await sockets.update(
            type(drawing).objects.filter(pk=drawing.pk), last_request_at=timezone.now()
        )
        socket = await calls(alice, have={})
        await self.charts(socket)
        draw, take = endpoint.shared, endpoint.EndpointConsumer.receive_json
        left = asyncio.Event()

        async def drawn_late(source):
            picture = await draw(source)
            if source.key[-1] == "7d":
                await socket.say({"charts": "6h"})
                await left.wait()
            return picture

        async def taken(page, content, **rest):
            await take(page, content, **rest)
            if content == {"charts": "6h"}:
                left.set()

        monkeypatch.setattr(endpoint, "shared", drawn_late)
        monkeypatch.setattr(endpoint.EndpointConsumer, "receive_json", taken)
        await socket.say({"charts": "7d"})
        assert "last 6 hours" in await self.charts(socket)

    async def test_the_list_follows_the_traffic(self, calls, drawing, alice):
        from channels.db import database_sync_to_async

        sparks._hour.cache_clear()
        socket = await calls(alice, "/ws/endpoints/", have={})
        first = await socket.first()
        assert "No traffic yet" in first["html"]["list-rows"]
        await database_sync_to_async(keep)(drawing, timezone.now(), point(5))
        (changed,) = (await socket.heard("state"))["html"].items()
        assert changed[0] == "list-rows"
        assert "1 a minute" in changed[1] or "1.2 a minute" in changed[1]

    async def test_an_endpoint_given_away_ends_the_socket(
        self, calls, drawing, alice, charlie
    ):
        socket = await calls(alice, have={})
        await self.charts(socket)
        rows = type(drawing).objects.filter(pk=drawing.pk)
        await sockets.update(rows, owner=charlie)
        assert await socket.closed() == pages.NOT_THERE
