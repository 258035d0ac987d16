"""Points and series: adding up, percentiles, gaps. Pure."""

from datetime import UTC, datetime, timedelta

import pytest

from endpoints.ingress.base import BOUNDS
from replicas.metrics.point import (
    GpuUse,
    Level,
    Point,
    Start,
    Use,
    merge,
    nothing,
    quantile,
)
from replicas.metrics.series import Series, floor, grid, rolled, step_for

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def buckets(**counts):
    """By bound: `b0_05=3` is three answers of at most 50 ms; `more` is the last."""
    row = [0] * (len(BOUNDS) + 1)
    for name, count in counts.items():
        bound = float(name[1:].replace("_", ".")) if name != "more" else None
        row[BOUNDS.index(bound) if bound else -1] = count
    return tuple(row)


def busy(**changes):
    """A span of 10 s in which much happened."""
    fields = {
        "seconds": 10.0,
        "requests": 40,
        "classes": (0, 38, 0, 1, 1),
        "buckets": buckets(b0_05=30, b0_1=10),
        "held": 2,
        "in_flight": Level(25.0, 10.0, 7),
        "queued": Level(5.0, 10.0, 3),
        "ready": Level(20.0, 10.0, 2),
        "uses": {1: Use(10.0, 15.0, 4.0, Level(2e9, 10.0, 3e8), 10**9, 1000, 500)},
        "gpus": {1: GpuUse(10.0, 5.0, 8e10, 24 * 10**9)},
        "starts": (Start(int(NOON.timestamp()), 2.5, 1, True),),
    }
    return Point(**{**fields, **changes})


def test_json_and_back_is_the_same():
    point = busy()

    assert Point.from_json(point.to_json()) == point


def test_what_is_nothing_takes_no_room():
    assert nothing(10).to_json() == {"s": 10, "e": 1}
    assert Point.from_json({"s": 10, "e": 1}) == nothing(10)


def test_two_spans_add_up_to_one():
    both = merge([busy(), busy(in_flight=Level(75.0, 10.0, 9), ended=True)])

    assert both.seconds == 20
    assert both.requests == 80
    assert both.classes == (0, 76, 0, 2, 2)
    assert both.rate == 4
    assert both.in_flight == Level(100.0, 20.0, 9)
    assert both.in_flight.mean == 5
    assert both.cores == 1.5
    assert both.memory == 2e8
    assert both.received == 100
    assert both.gpu == 0.5
    assert len(both.starts) == 2
    assert both.ended


def test_idle_time_lowers_what_is_told_per_second():
    whole = merge([busy(), nothing(10)])

    assert whole.rate == 2
    assert whole.ready.mean == 1
    assert whole.cores == 0.75
    assert whole.gpu == 0.5  # of the time there was a GPU
    assert whole.p50 == busy().p50


@pytest.mark.parametrize(
    ("share", "row", "seconds"),
    [
        (0.5, buckets(), None),
        (0.5, buckets(b0_1=10), 0.075),
        (0.5, buckets(b0_05=5, b0_1=5), 0.05),
        (0.95, buckets(b0_05=90, b1_0=10), 0.75),
        (0.95, buckets(b0_005=1), 0.00475),
        (0.5, buckets(more=4), 300.0),
        (0.99, buckets(b0_05=50, more=50), 300.0),
    ],
)
def test_a_percentile_lies_inside_its_bucket(share, row, seconds):
    found = quantile(share, row)

    assert found == (None if seconds is None else pytest.approx(seconds))


def test_without_a_gpu_nothing_is_said_of_one():
    point = busy(gpus={})

    assert (point.gpu, point.gpu_memory, point.gpu_memory_limit) == (None,) * 3


@pytest.mark.parametrize(
    ("seconds", "step"),
    [(3600, 10), (6 * 3600, 60), (24 * 3600, 60), (7 * 86400, 900), (30 * 86400, 900)],
)
def test_the_finest_step_that_is_kept_that_long(seconds, step):
    assert step_for(seconds) == step


def test_a_span_begins_at_a_multiple_of_its_step():
    assert floor(NOON + timedelta(minutes=14, seconds=59), 900) == NOON


def test_silence_is_zero_after_an_end_and_unknown_after_anything_else():
    rows = {at(10): busy(), at(30): busy(ended=True)}

    found = grid(rows, NOON, at(60), 10, silent=True)

    assert found[0] == nothing(10)
    assert found[1] == busy()
    assert found[2] is None  # it ran, and nobody looked
    assert found[3] == busy(ended=True)
    assert found[4:] == [nothing(10), nothing(10)]


def test_what_came_before_decides_about_the_first_spans():
    assert grid({}, NOON, at(20), 10, silent=False) == [None, None]


def test_before_it_was_made_nothing_is_known():
    found = grid({}, NOON, at(40), 10, silent=True, since=at(25))

    assert found == [None, None, nothing(10), nothing(10)]


def test_a_minute_is_its_six_spans():
    rows = {at(0): busy(), at(10): busy(ended=True), at(60): busy()}

    found = rolled(rows, 10, 60)

    assert list(found) == [at(0), at(60)]
    assert found[at(0)].requests == 80
    assert found[at(0)].seconds == 60  # the silence after its end is known
    assert found[at(60)].seconds == 10  # and this minute is not over


def test_a_minute_that_was_seen_in_part_tells_about_that_part():
    rows = {at(0): busy(), at(50): busy()}

    assert rolled(rows, 10, 60)[at(0)].seconds == 20


def test_a_series_in_fewer_points_keeps_its_newest_span_whole():
    series = Series(NOON, 10, tuple(busy(requests=n) for n in range(5)))

    found = series.coarser(3)

    assert found.step == 20
    assert found.end == series.end
    assert found.column(lambda point: point.requests) == [0, 1 + 2, 3 + 4]
    assert series.coarser(5) is series


def test_unknown_spans_do_not_count_as_zero_in_a_coarser_series():
    series = Series(NOON, 10, (busy(), None, None, None))

    assert [point and point.seconds for point in series.coarser(2).points] == [10, None]


def test_all_of_a_series_as_one_point():
    assert Series(NOON, 10, (None, busy(), busy())).whole.requests == 80
    assert Series(NOON, 10, (None,)).whole is None
