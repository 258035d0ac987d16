"""The last hour of each row of the endpoints list."""

from datetime import UTC, datetime, timedelta

import pytest

from endpoints.tests.factories import EndpointFactory
from replicas.fragments import sparks
from replicas.fragments.sparks import traffic_of
from replicas.metrics.point import Point
from replicas.page import listing
from replicas.page.facts import Rollout
from replicas.page.sparks import Traffic, traffic
from replicas.templatetags.sentences import spark
from replicas.tests.page_facts import ago, facts, seen, text
from replicas.tests.told_points import answers, keep, point

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
QUICK, SLOW = answers(b0_1=20), answers(b2_5=20)
NONE = (0,) * 60


# --- Words ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("requests", "buckets", "said"),
    [
        (0, (), ("", "")),
        (290, SLOW, ("58 a minute", "p95 2.4 s")),
        (5, QUICK, ("1 a minute", "p95 98 ms")),
        (1, (), ("12 an hour", "")),
    ],
)
def test_how_much_and_how_slow(requests, buckets, said):
    told = traffic(NONE, requests, 5, buckets)
    assert (told.rate, told.slow) == said


BUSY = Traffic(NONE, "58 a minute", "p95 1.9 s")


@pytest.mark.parametrize(
    ("known", "told", "aside", "slow"),
    [
        (facts(seen("ready", ready_at=ago(5))), BUSY, "58 a minute", "p95 1.9 s"),
        (facts(seen("ready", ready_at=ago(5))), Traffic(), "No traffic yet", ""),
        (facts(seen("starting")), Traffic(), "No traffic yet", ""),
        (facts(seen("ready"), last_request_at=ago(700)), Traffic(), "Idle for 11 min",
         ""),
        (facts(seen("failed", since=ago(120))), BUSY, "Failed 2 min ago", ""),
        (facts(paused=True, last_request_at=ago(9)), BUSY, "", ""),
        (facts(deleting=True), BUSY, "", ""),
    ],
)  # fmt: skip
def test_the_end_of_a_row(known, told, aside, slow):
    row = listing.line(known, traffic=told)
    assert (text(row.aside), row.slow) == (aside, slow)


GIVEN_UP = Rollout(4, pk=4, stopped=True, serving=3)
ASLEEP = {"min_replicas": 0, "target_count": 0}


@pytest.mark.parametrize(
    ("known", "word"),
    [
        (facts(rollout=GIVEN_UP, **ASLEEP), "Scaled to zero"),
        (facts(seen("stopping"), rollout=GIVEN_UP, **ASLEEP), "Stopping"),
        (facts(seen("starting"), rollout=GIVEN_UP), "Starting"),
        (facts(rollout=GIVEN_UP), "Starting"),
        (facts(seen("ready"), rollout=GIVEN_UP), "1 of 1 ready"),
    ],
)
def test_a_row_whose_revision_was_given_up(known, word):
    row = listing.line(known)
    assert (text(row.word), text(row.reason), row.tone) == (
        word,
        "Revision 4 did not become ready",
        "fail",
    )


def test_the_picture_says_its_peak():
    html = spark(Traffic((*NONE[:58], 4, 23)))
    assert 'aria-label="Requests in the last hour, peak 23 a minute"' in html
    assert 'class="area"' in html


def test_a_quiet_hour_is_a_flat_line():
    for quiet in (Traffic(NONE), Traffic()):
        html = spark(quiet)
        assert 'class="spark flat"' in html
        assert 'aria-label="No requests in the last hour"' in html
        assert "area" not in html
        assert "100l" in html


# --- From the rows ------------------------------------------------------------------
@pytest.fixture
def fresh():
    """Ids are used again by the next test; what was read is not."""
    sparks._hour.cache_clear()


pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh")]


def minutes_ago(number):
    return NOW - timedelta(minutes=number)


def of(endpoint, now=NOW):
    return traffic_of([endpoint.pk], now)[endpoint.pk]


def test_an_hour_is_sixty_minutes_up_to_the_last_whole_one():
    busy = EndpointFactory()
    keep(busy, minutes_ago(61), point(9, seconds=60), 60)
    keep(busy, minutes_ago(60), point(7, seconds=60), 60)
    keep(busy, minutes_ago(1), point(3, seconds=60), 60)
    assert of(busy).counts == (7, *NONE[:58], 3)


def test_now_is_the_last_minutes_with_what_is_not_rolled_up_yet():
    busy = EndpointFactory()
    keep(busy, minutes_ago(5), point(900, seconds=60), 60)  # too long ago
    keep(busy, minutes_ago(4), point(60, seconds=60), 60)
    keep(busy, minutes_ago(1), point(6), 10)  # its minute is not there yet
    keep(busy, NOW - timedelta(seconds=20), point(24), 10)
    assert of(busy).rate == "20 a minute"
    keep(busy, minutes_ago(1), point(6, seconds=60), 60)
    assert of(busy).rate == "20 a minute"


def test_how_slow_it_is_comes_from_the_same_minutes():
    busy = EndpointFactory()
    keep(busy, minutes_ago(9), Point(60, requests=99, buckets=SLOW), 60)
    keep(busy, minutes_ago(3), Point(60, requests=20, buckets=QUICK), 60)
    keep(busy, NOW, Point(10, requests=1), 10)  # not answered yet
    assert of(busy).slow == "p95 98 ms"


def test_others_traffic_is_theirs():
    mine, other = EndpointFactory(), EndpointFactory()
    keep(other, minutes_ago(2), point(50, seconds=60), 60)
    assert of(mine) == Traffic(NONE)


def test_the_hour_is_read_once_a_minute(django_assert_num_queries):
    known, new = EndpointFactory(), EndpointFactory()
    keep(known, minutes_ago(2), point(5, seconds=60), 60)
    with django_assert_num_queries(2):
        of(known)
    with django_assert_num_queries(1):
        assert of(known, NOW + timedelta(seconds=10)).counts[-2] == 5
    with django_assert_num_queries(2):
        traffic_of([known.pk, new.pk], NOW)
    with django_assert_num_queries(2):
        assert of(known, NOW + timedelta(seconds=50)).counts[-3] == 5


def test_a_row_without_requests_is_not_read():
    warm = EndpointFactory()
    keep(warm, minutes_ago(1), point(0, seconds=60), 60)
    assert of(warm) == Traffic(NONE)
