"""Times of the week in words."""

from datetime import time

import pytest

from endpoints import week
from endpoints.schedule import Window

NINE, SIX = time(9), time(18)


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (week.DAYS, "Every day"),
        (("mon", "tue", "wed", "thu", "fri"), "Mon to Fri"),
        (("sat", "sun"), "Sat and Sun"),
        (("fri", "mon", "wed"), "Mon, Wed and Fri"),
        (("mon", "tue", "wed", "sun"), "Mon to Wed and Sun"),
        (("mon", "tue", "sat", "sun"), "Mon, Tue, Sat and Sun"),
        (("sun",), "Sun"),
    ],
)
def test_days_that_follow_each_other_are_said_at_once(days, words):
    bits = week.bits_of(days)
    assert week.day_words(bits) == words
    assert set(week.days_of(bits)) == set(days)


@pytest.mark.parametrize(
    ("begins", "ends", "words"),
    [
        (NINE, SIX, "09:00 to 18:00"),
        (time(22), time(6), "22:00 to 06:00 the next day"),
        (NINE, NINE, "09:00 to 09:00 the next day"),
        (NINE, time(0), "09:00 to 24:00"),
        (time(0), time(0), "all day"),
    ],
)
def test_an_end_before_the_beginning_is_on_the_next_day(begins, ends, words):
    assert week.span_words(Window(1, begins, ends, 2)) == words


def test_a_window_says_what_is_kept():
    said = week.window_words(Window(31, NINE, SIX, 2))
    assert said == "Mon to Fri, 09:00 to 18:00: keep 2"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("09:00", NINE),
        ("09:00:30", NINE),
        ("24:00", time(0)),
        ("", None),
        ("25:00", None),
        ("nine", None),
        ("09:00+02:00", None),
    ],
)
def test_a_time_of_day_is_read_as_browsers_write_it(text, found):
    assert week.time_of(text) == found


def test_a_zone_is_a_place_that_is_known():
    assert week.zone_problem("Europe/Berlin") == week.zone_problem("") == ""
    assert week.zone_problem("../../etc/passwd").startswith("Write a time zone")


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, ""),
        (3, ""),
        (4, "Keep at most 3, or raise the maximum first."),
        (9, "Keep 0 to 3 replicas."),
        (-1, "Keep 0 to 3 replicas."),
        (None, "Keep 0 to 3 replicas."),
    ],
)
def test_a_window_keeps_no_more_than_the_maximum(count, said):
    assert week.keep_problem(count, 3) == said
