"""Short spans become long ones, once, and old ones go."""

from datetime import UTC, datetime, timedelta

import pytest

from endpoints.models import Endpoint
from endpoints.tests.factories import EndpointFactory
from replicas.metrics import rollup, store
from replicas.metrics.point import Level, Point
from replicas.models import Sample

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def at(**ago):
    return NOON + timedelta(**ago)


@pytest.fixture
def whisper():
    endpoint = EndpointFactory(name="whisper")
    Endpoint.objects.update(created_at=NOON - timedelta(days=60))
    return endpoint


def keep(endpoint, step, moment, **fields):
    point = Point(seconds=step, **{"requests": 1, **fields})
    store.write(step, moment, {endpoint.pk: point})


def rows(step):
    """Requests and known seconds by the beginning of the span."""
    found = Sample.objects.filter(step=step).order_by("at")
    return {row.at: (row.data.get("n", 0), row.data["s"]) for row in found}


def test_a_minute_is_made_of_its_spans_when_it_is_over(whisper):
    for seconds in (0, 10, 50):
        keep(whisper, 10, at(seconds=seconds), requests=4)

    rollup.roll_up(at(seconds=59))
    assert rows(60) == {}

    rollup.roll_up(at(seconds=60))
    assert rows(60) == {NOON: (12, 30)}


def test_levels_and_times_go_along(whisper):
    buckets = (0, 0, 0, 5, 5, *(0,) * 11)
    keep(whisper, 10, NOON, in_flight=Level(60, 10, 9), buckets=buckets)
    keep(whisper, 10, at(seconds=10), in_flight=Level(0, 10, 0), buckets=buckets)

    rollup.roll_up(at(minutes=1))

    point = Point.from_json(Sample.objects.get(step=60).data)
    assert point.in_flight == Level(60, 20, 9)
    assert point.p50 == 0.05


def test_silence_after_an_end_is_time_that_is_known(whisper):
    keep(whisper, 10, NOON, ended=True)
    keep(whisper, 10, at(seconds=90))

    rollup.roll_up(at(minutes=2))

    # The second minute began silent, and nobody looked after its one span.
    assert rows(60) == {NOON: (1, 60), at(minutes=1): (1, 40)}


def test_silence_after_a_minute_that_did_not_end_is_not(whisper):
    keep(whisper, 10, NOON)
    keep(whisper, 10, at(minutes=1, seconds=50))

    rollup.roll_up(at(minutes=2))

    assert rows(60)[at(minutes=1)] == (1, 10)


def test_quarters_of_an_hour_follow_from_minutes(whisper):
    for minute in range(15):
        keep(whisper, 10, at(minutes=minute), requests=2)

    rollup.roll_up(at(minutes=15))

    assert rows(900) == {NOON: (30, 150)}


def test_after_a_break_it_goes_on_where_it_was(whisper):
    keep(whisper, 10, NOON)
    rollup.roll_up(at(minutes=1))
    keep(whisper, 10, at(minutes=1))
    keep(whisper, 10, at(minutes=40))

    rollup.roll_up(at(minutes=50))

    assert list(rows(60)) == [NOON, at(minutes=1), at(minutes=40)]
    assert list(rows(900)) == [NOON, at(minutes=30)]


def test_nothing_is_rolled_up_twice(whisper):
    keep(whisper, 10, NOON)
    rollup.roll_up(at(minutes=1))
    Sample.objects.filter(step=60).update(data={"n": 99, "s": 60})

    rollup.roll_up(at(minutes=2))

    assert rows(60) == {NOON: (99, 60)}


def test_a_clock_that_was_ahead_stops_nothing(whisper):
    for step in (60, 900):
        keep(whisper, step, at(days=2))
    keep(whisper, 10, NOON, requests=3)

    rollup.roll_up(at(minutes=15))

    assert rows(60)[NOON] == (3, 10)
    assert rows(900)[NOON] == (3, 10)


def test_rows_of_times_to_come_go(whisper):
    for step in (10, 60, 900):
        keep(whisper, step, NOON)
        keep(whisper, step, at(seconds=step))

    assert rollup.prune(NOON) == 3
    assert [list(rows(step)) for step in (10, 60, 900)] == [[NOON]] * 3


def test_endpoints_are_kept_apart(whisper):
    other = EndpointFactory(name="other")
    keep(whisper, 10, NOON, requests=1)
    keep(other, 10, NOON, requests=2)

    rollup.roll_up(at(minutes=1))

    found = Sample.objects.filter(step=60).values_list("endpoint__name", "data__n")
    assert dict(found) == {"whisper": 1, "other": 2}


@pytest.mark.parametrize(
    ("step", "kept"), [(10, {"hours": 1}), (60, {"hours": 24}), (900, {"days": 30})]
)
def test_each_step_is_kept_for_its_time(whisper, step, kept):
    young, old = NOON - timedelta(**kept), NOON - timedelta(**kept, minutes=31)
    keep(whisper, step, young)
    keep(whisper, step, old)

    assert rollup.prune(NOON) == 1
    assert list(rows(step)) == [young]


def test_many_old_rows_go_in_batches(whisper, monkeypatch):
    monkeypatch.setattr(rollup, "_BATCH", 10)
    for number in range(25):
        keep(whisper, 10, at(hours=-2, seconds=10 * number))

    assert rollup.prune(NOON) == 25
    assert rows(10) == {}
