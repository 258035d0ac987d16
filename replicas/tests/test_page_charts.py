"""Scales, paths, spans and what the charts say."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from replicas.metrics.point import Level, Point, Start, Use, nothing
from replicas.metrics.series import Series
from replicas.page import plot
from replicas.page.charts import charts, had_requests
from replicas.page.spans import RANGES, Spans, range_of
from replicas.tests.told_points import GB, point

HOUR, SIX_HOURS, DAY, WEEK = RANGES
TEN = timedelta(seconds=10)
NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def series(points, *, end=NOON, step=10):
    return Series(end - timedelta(seconds=step * len(points)), step, tuple(points))


def hour_of(*last, before=None):
    """An hour in which nothing happened but at its end."""
    quiet = nothing(10) if before is None else before
    return series([*[quiet] * (360 - len(last)), *last])


def chart(key, told, span=HOUR):
    return next(
        c for c in [*charts(told, span)[0], *charts(told, span)[1]] if c.key == key
    )


# --- Scales and numbers -------------------------------------------------------------
@pytest.mark.parametrize(
    ("highest", "top", "counted"),
    [
        (0, 1, 2),
        (0.3, 0.4, 2),
        (1, 1.5, 2),
        (3, 4, 4),
        (7, 8, 8),
        (9.9, 15, 20),
        (23, 30, 30),
        (100, 150, 150),
        (0.13, 0.2, 2),
        (0.05, 0.06, 2),
        (0.004, 0.02, 2),
    ],
)
def test_the_top_of_a_scale_is_round_and_so_is_its_half(highest, top, counted):
    assert plot.scale([None, highest, 0]) == pytest.approx(top)
    assert plot.scale([highest], whole=True) == counted


def test_a_scale_without_values_is_still_one():
    assert plot.scale([None, None]) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (128.4, "128"),
        (9.96, "10"),
        (2.64, "2.6"),
        (3.0, "3"),
        (0.352, "0.35"),
    ],
)
def test_numbers_are_rounded_as_far_as_anybody_reads(value, text):
    assert str(plot.shown(value)) == text


@pytest.mark.parametrize(
    ("value", "text", "beside"),
    [(6, "6", "6"), (999.7, "1,000", "1k"), (1500, "1,500", "1.5k"),
     (60000, "60,000", "60k")],
)  # fmt: skip
def test_large_numbers_are_told_with_commas_and_short_beside_an_axis(
    value, text, beside
):
    assert plot.told(value) == text
    assert plot.label(value) == beside


def test_a_line_stops_where_nothing_is_known():
    values = [0, 10, None, 5, None, 10, 0]
    assert plot.line(values, 10) == "M0 100l167 -100M497 50h6M833 0l167 100"
    assert plot.area(values, 10) == "M0 100l167 -100V100H0zM833 0l167 100V100H833z"


def test_a_line_stays_inside_its_picture():
    assert plot.line([20, 5], 10) == "M0 0l1000 50"


def test_a_sparse_line_is_drawn_only_around_what_happened():
    assert plot.sparse([0, 0, 3, 0, 0, None, 0]) == [None, 0, 3, 0, None, None, None]


# --- Spans --------------------------------------------------------------------------
def test_spans_begin_at_round_times_and_the_newest_is_told_as_far_as_it_is():
    told = series([point(2)] * 361, end=NOON + timedelta(seconds=10))
    spans = Spans.of(told, HOUR)
    assert len(spans.points) == 120
    assert spans.begin == NOON - timedelta(seconds=119 * 30)
    assert spans.points[-1].seconds == 10
    assert {p.seconds for p in spans.points[:-1]} == {30}
    # A rate, so the span that has only begun does not look like a drop.
    assert {p.rate for p in spans.points} == {0.2}


def test_a_span_of_which_nothing_is_there_yet_is_not_shown():
    told = series([*[point(1)] * 359, None, None], end=NOON + timedelta(seconds=20))
    spans = Spans.of(told, HOUR)
    assert spans.begin + timedelta(seconds=120 * 30) == NOON
    assert spans.points[-1].requests == 3


def test_a_line_keeps_its_shape_as_time_goes_on():
    burst = [nothing(10)] * 90 + [point(9)] + [nothing(10)] * 269
    now = Spans.of(series(burst), HOUR)
    later = Spans.of(series([*burst[2:], *[nothing(10)] * 2], end=NOON + 2 * TEN), HOUR)
    assert now.column(lambda p: p.requests)[1:] == [
        *later.column(lambda p: p.requests)[:-1],
    ]


@pytest.mark.parametrize(
    ("span", "texts"),
    [
        (HOUR, ["11:00", "11:15", "11:30", "11:45", "12:00 UTC"]),
        (WEEK, ["Sun 22", "Tue 24", "Thu 26", "Fri 27", "Sun 1"]),
    ],
)
def test_ticks_are_times_of_day_and_days_for_a_week(span, texts):
    step = 900 if span is WEEK else 10
    told = series([nothing(step)] * (span.seconds // step), step=step)
    ticks = Spans.of(told, span).ticks
    assert [tick.text for tick in ticks] == texts
    assert [tick.day for tick in ticks] == [span is WEEK] * 5


@pytest.mark.parametrize("odd", [None, "", "1y", ["6h"], 6])
def test_an_unknown_range_is_the_first(odd):
    assert range_of(odd) is HOUR
    assert range_of("6h") is SIX_HOURS


# --- What they say --------------------------------------------------------------------
def test_requests_are_told_by_class():
    told = hour_of(*[point(6, refused=2, failed=1)] * 3)
    found = chart("requests", told)
    assert (found.value, found.unit) == ("36", "a minute")
    assert [k.text for k in found.keys] == ["refused (4xx) 12", "failed (5xx) 6"]
    assert found.spoken == "Requests a minute, last hour: now 36, at most 36"
    assert found.scale == ("40", "20", "0")
    assert [line.kind for line in found.lines] == ["line", "line-2", "line-3"]


def test_a_class_that_did_not_happen_has_no_line():
    found = chart("requests", hour_of(point(3)))
    assert [line.kind for line in found.lines] == ["line"]
    assert found.keys == ()


def test_a_day_is_told_by_the_hour_so_that_a_single_request_shows():
    told = series([*[nothing(60)] * 1439, point(1, seconds=60)], step=60)
    found = chart("requests", told, DAY)
    assert found.unit == "an hour"
    assert found.value == "6"


def test_response_times_are_gaps_where_nothing_was_answered():
    told = hour_of(point(10), nothing(10), nothing(10), nothing(10))
    found = chart("times", told)
    # The newest span has no answer, the one before has.
    assert (found.value, found.unit) == ("–", "")
    assert [k.text for k in found.keys] == ["p95"]
    assert found.lines[0].values[-2:] == (2.5, None)
    assert found.lines[0].path.startswith("M")
    assert found.spoken.endswith("at most 2.5")
    assert "now none" in found.spoken


def test_short_times_are_told_in_milliseconds():
    quick = Point(10, requests=4, buckets=(4, *[0] * 15))
    found = chart("times", hour_of(quick, quick, quick))
    assert (found.value, found.unit) == ("2.5", "ms")
    assert [k.text for k in found.keys] == ["p95 4.8 ms"]


def test_an_hour_without_an_answer_says_so():
    found = chart("times", hour_of())
    assert found.spoken.endswith("last hour: no answers")
    assert found.lines[0].path == found.area == ""


def test_in_flight_shows_the_most_at_once_and_those_in_line():
    told = hour_of(point(12), nothing(10), nothing(10))
    found = chart("open", told)
    assert (found.value, found.unit) == ("4", "at once")
    assert [k.text for k in found.keys] == ["in line 2"]
    assert found.scale == ("6", "3", "0")


def test_a_gpu_comes_first_and_the_rest_is_unfolded():
    shown, folded = charts(hour_of(*[point(3, gpu=0.33)] * 3), HOUR)
    assert [c.key for c in shown] == [
        *("requests", "times", "gpu", "gpu-memory", "open", "ready"),
    ]
    assert [c.key for c in folded] == ["cpu", "memory", "network"]
    used, memory = shown[2:4]
    assert (used.value, used.unit, used.scale[0]) == ("33", "%", "100")
    assert (memory.value, memory.unit, memory.scale[0]) == ("12", "of 24 GB", "24")


def test_without_a_gpu_there_are_cores_and_memory():
    shown, folded = charts(hour_of(*[point(3, replicas=2)] * 3), HOUR)
    assert [c.key for c in shown][2:4] == ["cpu", "memory"]
    assert [c.key for c in folded] == ["network"]
    cores, memory = shown[2:4]
    assert (cores.value, cores.unit) == ("0.8", "of 4 cores")
    assert (memory.value, memory.unit) == ("2", "of 8 GB")
    assert (folded[0].value, folded[0].unit) == ("30", "KB/s sent")
    assert [k.text for k in folded[0].keys] == ["received 1.2 KB/s"]


def test_hardware_without_a_replica_is_not_zero():
    found = chart("cpu", hour_of())
    assert found.value == "–"
    assert found.none == "No replica"
    assert chart("ready", hour_of()).value == "0"


def test_limits_are_those_of_now_also_of_a_replica_that_has_just_come():
    two = Use(30, 3, 2, Level(GB * 30, 30), 4 * GB)
    young = Use(4, 1, 2, Level(GB * 4, 4), 4 * GB)
    told = hour_of(
        *[Point(10, uses={1: two, 2: two})] * 3,
        *[nothing(10)] * 5,
        Point(10, uses={1: young}),
    )
    cores, memory = chart("cpu", told), chart("memory", told)
    assert cores.unit == "of 2 cores"
    assert memory.unit == "of 4 GB"
    # Two had twice as much to use: the picture has room for it.
    assert memory.scale[0] == "8"


def test_cold_starts_are_marked_where_they_happened():
    at = int((NOON - timedelta(minutes=30)).timestamp())
    cold = Point(10, starts=(Start(at, 42.4, 1, True), Start(at + 5, 61, 1, True)))
    warm = Point(10, starts=(Start(at + 60, 9, 2, False),))
    points = [nothing(10)] * 360
    points[180], points[186] = cold, warm
    found = chart("requests", series(points))
    assert [(m.index, m.text) for m in found.marks] == [
        (60, "2 cold starts, 42 s to 1 min 1 s")
    ]
    assert found.marks[0].x == 504
    assert [k.text for k in found.keys] == ["2 cold starts"]
    assert found.spoken.endswith("2 cold starts are marked")


def test_the_script_is_given_what_it_says():
    found = chart("requests", hour_of(*[point(6, failed=1)] * 3))
    data = json.loads(found.data)
    assert data["at"] == int((NOON - timedelta(hours=1)).timestamp())
    assert data["step"] == 30
    assert [say for say, _ in data["lines"]] == [
        "# requests a minute",
        "# failed (5xx)",
    ]
    assert [values[-1] for _, values in data["lines"]] == [36, 6]
    assert len(data["lines"][0][1]) == 120


def test_nothing_known_is_not_drawn():
    shown, folded = charts(series([None] * 360), HOUR)
    assert {line.path for c in [*shown, *folded] for line in c.lines} == {""}
    assert {c.value for c in [*shown, *folded]} == {"–"}
    assert not had_requests(series([None] * 360))
