"""The policy on traffic that was recorded, and what a replay counts."""

import json

import pytest
from django.conf import settings

from replicas.scaling.replay import Moment, Setting, ours, replay

TRACES = settings.BASE_DIR / "benchmarks" / "traces"
SETTING = Setting(minimum=1, maximum=8, target=5, start=10, idle_timeout=300)


def script(*counts):
    """A scaling that says these numbers, second by second."""
    return lambda moment: counts[moment.now]


def recorded(name):
    return json.loads((TRACES / f"{name}.json").read_text())["in_flight"]


# --- what it counts ------------------------------------------------------------------
def test_a_replica_answers_after_its_start():
    setting = Setting(minimum=1, maximum=3, target=1, start=2, idle_timeout=0)
    run = replay([2, 2, 2, 2, 2], setting, script(1, 2, 2, 2, 1))
    assert run.wanted == (1, 2, 2, 2, 1)
    assert run.ready == (1, 1, 1, 2, 1)
    assert run.waiting_seconds == 1 + 1 + 1 + 0 + 1
    assert run.time_to_right(0) == 1
    assert run.replica_seconds == 8


def test_what_a_minute_ago_needed_is_no_overshoot():
    setting = Setting(minimum=0, maximum=9, target=1, start=0, idle_timeout=0)
    calm = [3, *[1] * 60]
    run = replay(calm, setting, script(*[3] * 61))
    assert run.overshoot == 0
    run = replay([*calm, 1], setting, script(*[3] * 62))
    assert run.overshoot == 2


def test_a_flap_is_one_that_went_and_was_needed_again():
    setting = Setting(minimum=0, maximum=9, target=1, start=0, idle_timeout=0)
    run = replay([1] * 6, setting, script(3, 1, 2, 2, 1, 1))
    assert run.flaps == 1


def test_who_finds_the_line_full_is_turned_away():
    setting = Setting(1, 2, target=5, start=0, idle_timeout=0, queue=10)
    assert replay([20, 21, 25], setting, script(2, 2, 2)).turned_away == 1 + 5


def test_a_policy_sees_what_runs():
    told = []

    def scaling(moment):
        told.append(moment)
        return 2

    setting = Setting(minimum=1, maximum=8, target=1, start=1, idle_timeout=0)
    replay([4, 5, 6], setting, scaling)
    assert told == [Moment(0, 4, 1, 1), Moment(1, 5, 2, 2), Moment(2, 6, 2, 2)]


# --- recorded traffic ----------------------------------------------------------------
@pytest.mark.parametrize("name", ["step", "bursts", "slope"])
def test_on_every_trace(name):
    run = replay(recorded(name), SETTING, ours(SETTING))
    assert run.turned_away == 0
    assert run.flaps == 0
    assert run.overshoot == 0
    assert max(run.wanted) <= SETTING.maximum


def test_forty_at_once_have_their_replicas_within_seconds():
    run = replay(recorded("step"), SETTING, ours(SETTING))
    rise = run.right.index(8)
    assert run.time_to_right(rise) <= 3
    assert max(run.wanted) == 8


def test_an_endpoint_wakes_for_its_traffic_and_sleeps_after_it():
    setting = Setting(minimum=0, maximum=8, target=5, start=10, idle_timeout=60)
    run = replay([0] * 5 + [3] * 30 + [0] * 120, setting, ours(setting))
    assert run.wanted[4] == 0
    assert set(run.wanted[5:93]) == {1}
    assert run.wanted[-1] == 0
