"""What is written is read again: steps, the newest spans, gaps."""

from datetime import UTC, datetime, timedelta

import pytest

from endpoints.models import Endpoint
from endpoints.tests.factories import EndpointFactory
from replicas.metrics import store
from replicas.metrics.point import Point
from replicas.models import Sample

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
NOW = NOON + timedelta(minutes=20, seconds=7)
HOUR = 3600


def made_long_ago():
    endpoint = EndpointFactory()
    Endpoint.objects.filter(pk=endpoint.pk).update(created_at=NOW - timedelta(days=60))
    return endpoint


def keep(endpoint, step, ago, **fields):
    """A row for the span that began `ago` seconds before NOON + 20 min."""
    at = NOON + timedelta(minutes=20) - timedelta(seconds=ago)
    point = Point(seconds=step, **{"requests": 1, **fields})
    store.write(step, at, {endpoint.pk: point})
    return at


def requests(series):
    return series.column(lambda point: point.requests)


def test_the_last_hour_in_spans_of_ten_seconds():
    endpoint = made_long_ago()
    keep(endpoint, 10, 20, requests=3)
    keep(endpoint, 10, 10, requests=4)

    series = store.read(endpoint.pk, HOUR, NOW)

    assert (series.step, len(series.points)) == (10, 360)
    assert series.end == NOON + timedelta(minutes=20)
    assert requests(series)[-3:] == [0, 3, 4]


def test_a_span_that_has_just_ended_is_not_missed_yet():
    endpoint = made_long_ago()
    at = keep(endpoint, 10, 10)

    series = store.read(endpoint.pk, HOUR, at + timedelta(seconds=21))

    assert requests(series)[-1] == 1


def test_minutes_with_the_newest_of_them_from_finer_rows():
    endpoint = made_long_ago()
    keep(endpoint, 60, 180, requests=7)
    keep(endpoint, 10, 60, requests=2)
    keep(endpoint, 10, 50, requests=3)
    keep(endpoint, 10, 0, requests=1)

    series = store.read(endpoint.pk, 6 * HOUR, NOW + timedelta(seconds=10))

    assert (series.step, len(series.points)) == (60, 360)
    assert requests(series)[-4:] == [7, None, 5, 1]
    assert series.points[-1].seconds == 10


def test_quarters_of_an_hour_from_minutes_and_tens_of_seconds():
    endpoint = made_long_ago()
    keep(endpoint, 900, 35 * 60, requests=100)
    keep(endpoint, 60, 10 * 60, requests=20)
    keep(endpoint, 60, 4 * 60, requests=5)
    keep(endpoint, 10, 10, requests=1)

    series = store.read(endpoint.pk, 7 * 86400, NOW)

    assert (series.step, len(series.points)) == (900, 7 * 96)
    assert requests(series)[-3:] == [100, 20, 6]


def test_a_row_before_the_first_span_says_what_silence_means():
    endpoint = made_long_ago()
    keep(endpoint, 10, HOUR + 30)

    assert set(store.read(endpoint.pk, HOUR, NOW).points) == {None}

    keep(endpoint, 10, HOUR + 20, ended=True)

    assert set(requests(store.read(endpoint.pk, HOUR, NOW))) == {0}


def test_an_endpoint_that_is_new_has_no_past():
    endpoint = made_long_ago()
    Endpoint.objects.update(created_at=NOW - timedelta(seconds=60))

    points = store.read(endpoint.pk, HOUR, NOW).points

    assert points[-7] is None
    assert points[-6] is not None


def test_many_in_as_many_queries_as_one(django_assert_num_queries):
    endpoints = [made_long_ago() for _ in range(5)]
    for index, endpoint in enumerate(endpoints):
        keep(endpoint, 10, 10, requests=index)

    with django_assert_num_queries(2):
        found = store.read_many([one.pk for one in endpoints], HOUR, NOW)

    assert [requests(found[one.pk])[-1] for one in endpoints] == [0, 1, 2, 3, 4]


def test_writing_again_replaces():
    endpoint = made_long_ago()
    keep(endpoint, 10, 10, requests=1)
    keep(endpoint, 10, 10, requests=9)

    assert Sample.objects.get().data["n"] == 9


def test_an_endpoint_that_was_deleted_meanwhile_is_left_out():
    endpoint, gone = made_long_ago(), made_long_ago()
    pk = gone.pk
    gone.delete()

    store.write(10, NOON, {endpoint.pk: Point(10, 1), pk: Point(10, 1)})

    assert Sample.objects.get().endpoint_id == endpoint.pk
