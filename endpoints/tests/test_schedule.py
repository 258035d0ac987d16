"""Which minimum holds when: by the clocks of a zone, also when they are changed."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from endpoints.schedule import ALL_DAYS, InForce, Window, in_force, known_zone

BERLIN = "Europe/Berlin"
WORKDAYS = 0b0011111
SUNDAY = 0b1000000


def at(text, zone=BERLIN, fold=0):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def window(begins, ends, count, days=ALL_DAYS):
    return Window(days, time.fromisoformat(begins), time.fromisoformat(ends), count)


OFFICE = window("08:00", "18:00", 2, WORKDAYS)


@pytest.mark.parametrize(
    ("now", "minimum", "until"),
    [
        # Friday, 20 November 2026
        ("2026-11-20T07:59:59", None, "2026-11-20T08:00"),
        ("2026-11-20T08:00:00", 2, "2026-11-20T18:00"),
        ("2026-11-20T17:59:59", 2, "2026-11-20T18:00"),
        ("2026-11-20T18:00:00", None, "2026-11-23T08:00"),
        ("2026-11-21T12:00:00", None, "2026-11-23T08:00"),
    ],
)
def test_a_window_of_working_days(now, minimum, until):
    assert in_force([OFFICE], BERLIN, None, 0, at(now)) == InForce(minimum, at(until))


def test_a_window_over_midnight_belongs_to_the_day_it_begins():
    night = window("22:00", "06:00", 3, SUNDAY)
    monday_morning = at("2026-11-23T05:00")
    found = in_force([night], BERLIN, None, 1, monday_morning)
    assert found == InForce(3, at("2026-11-23T06:00"))
    assert in_force([night], BERLIN, None, 1, at("2026-11-22T05:00")).minimum is None


def test_the_same_time_twice_is_a_whole_day():
    always = window("00:00", "00:00", 1)
    assert in_force([always], BERLIN, None, 0, at("2026-11-20T00:00")) == InForce(
        1, None
    )


def test_of_two_windows_the_higher_minimum_holds():
    windows = [OFFICE, window("12:00", "13:00", 5), window("12:30", "19:00", 0)]
    now = at("2026-11-20T12:45")
    assert in_force(windows, BERLIN, None, 1, now) == InForce(5, at("2026-11-20T13:00"))
    later = at("2026-11-20T18:30")
    assert in_force(windows, BERLIN, None, 1, later) == InForce(
        0, at("2026-11-20T19:00")
    )


def test_a_window_that_says_what_holds_anyway_changes_nothing():
    assert in_force([OFFICE], BERLIN, None, 2, at("2026-11-20T12:00")) == InForce(
        None, None
    )


# --- kept warm ---------------------------------------------------------------------
def test_kept_warm_is_one_at_least_until_then():
    until = at("2026-11-20T18:00")
    now = at("2026-11-20T17:00")
    assert in_force([], BERLIN, until, 0, now) == InForce(1, until)
    assert in_force([], BERLIN, until, 0, until) == InForce(None, None)
    assert in_force([], BERLIN, until, 3, now) == InForce(None, None)


def test_kept_warm_lifts_a_window_that_says_zero():
    quiet = window("00:00", "00:00", 0)
    until = at("2026-11-20T18:00")
    now = at("2026-11-20T17:00")
    assert in_force([quiet], BERLIN, until, 2, now) == InForce(1, until)
    assert in_force([quiet], BERLIN, until, 2, until).minimum == 0


# --- the two nights of the year ----------------------------------------------------
def test_clocks_that_jump_over_the_beginning_begin_at_the_jump():
    # On 28 March 2027 clocks go from 02:00 to 03:00.
    early = window("02:30", "04:00", 2)
    jump = datetime(2027, 3, 28, 1, tzinfo=UTC)
    before = jump - timedelta(seconds=1)
    assert in_force([early], BERLIN, None, 0, before) == InForce(None, jump)
    assert in_force([early], BERLIN, None, 0, jump).minimum == 2
    assert in_force([early], BERLIN, None, 0, jump).until == at("2027-03-28T04:00")


def test_clocks_that_jump_over_all_of_it_leave_it_out():
    gone = window("02:10", "02:50", 2)
    jump = datetime(2027, 3, 28, 1, tzinfo=UTC)
    found = in_force([gone], BERLIN, None, 0, jump - timedelta(minutes=5))
    assert found == InForce(None, at("2027-03-29T02:10"))


def test_a_time_that_comes_twice_lasts_from_the_first_to_the_second():
    # On 31 October 2027 clocks go from 03:00 back to 02:00.
    long = window("02:15", "02:45", 2)
    begin = datetime(2027, 10, 31, 0, 15, tzinfo=UTC)
    end = datetime(2027, 10, 31, 1, 45, tzinfo=UTC)
    assert in_force([long], BERLIN, None, 0, begin - timedelta(seconds=1)) == InForce(
        None, begin
    )
    assert in_force([long], BERLIN, None, 0, begin) == InForce(2, end)
    assert in_force([long], BERLIN, None, 0, end - timedelta(seconds=1)).minimum == 2
    assert in_force([long], BERLIN, None, 0, end).minimum is None


def test_an_hour_of_the_clock_is_kept_whatever_the_offset():
    # The beginning stays at eight by the clock before and after the change.
    for now, begins in (
        ("2027-03-26T20:00", "2027-03-27T08:00"),
        ("2027-03-27T20:00", "2027-03-28T08:00"),
        ("2027-10-30T20:00", "2027-10-31T08:00"),
    ):
        found = in_force([window("08:00", "09:00", 1)], BERLIN, None, 0, at(now))
        assert found.until == at(begins)


def test_zones():
    assert known_zone("Europe/Berlin")
    assert known_zone("UTC")
    assert not known_zone("Europe/Atlantis")
    assert not known_zone("../etc/passwd")
