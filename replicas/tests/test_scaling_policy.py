"""The truth table of how many replicas traffic needs, and its windows."""

import pytest

from replicas.scaling.policy import PANIC, STABLE, Facts, Policy, Seen, decide, needs
from replicas.scaling.windows import Lasting, Mean, Most


def facts(**changes):
    """Three of eight run and are needed, for 13 requests with a target of 5."""
    usual = {
        "wanted": 3,
        "ready": 3,
        "minimum": 1,
        "maximum": 8,
        "target": 5,
        "in_flight": 13.0,
        "needed": 3,
        "panic": False,
        "idle": False,
    }
    return Facts(**{**usual, **changes})


# --- the table -----------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "count"),
    [
        # nothing to do
        ({}, 3),
        ({"in_flight": 15.0}, 3),
        # idle: the minimum, whatever else holds
        ({"idle": True, "in_flight": 0.0}, 1),
        ({"idle": True, "minimum": 0}, 0),
        ({"idle": True, "minimum": 0, "panic": True}, 0),
        ({"idle": True, "minimum": 0, "ready": 0, "wanted": 1}, 0),
        ({"idle": True, "minimum": 2, "needed": 8}, 2),
        # none is ready: what waits does not count yet
        ({"ready": 0, "in_flight": 100.0}, 3),
        ({"ready": 0, "wanted": 1, "in_flight": 100.0}, 1),
        ({"ready": 0, "wanted": 0, "minimum": 0, "in_flight": 100.0}, 1),
        # more is needed, in panic or not
        ({"in_flight": 23.0}, 5),
        ({"in_flight": 23.0, "panic": True}, 5),
        ({"in_flight": 15.01}, 4),
        ({"in_flight": 23.0, "ready": 1}, 5),
        # never above the maximum
        ({"in_flight": 400.0}, 8),
        ({"in_flight": 400.0, "panic": True, "maximum": 4}, 4),
        ({"wanted": 6, "maximum": 4, "in_flight": 30.0}, 4),
        # fewer are needed: in panic none goes
        ({"in_flight": 2.0, "needed": 1, "panic": True}, 3),
        # … else what was not needed for the whole idle timeout
        ({"in_flight": 2.0, "needed": 3}, 3),
        ({"in_flight": 2.0, "needed": 2}, 2),
        ({"in_flight": 2.0, "needed": 1}, 1),
        ({"in_flight": 2.0, "needed": 8}, 3),
        # never below the minimum, nor the last one while it is in use
        ({"in_flight": 2.0, "needed": 1, "minimum": 2}, 2),
        ({"in_flight": 0.0, "needed": 0, "minimum": 0}, 1),
        ({"wanted": 1, "minimum": 3}, 3),
    ],
)
def test_the_table(changes, count):
    assert decide(facts(**changes)) == count


@pytest.mark.parametrize(
    ("in_flight", "target", "count"),
    [(0, 5, 0), (0.1, 5, 1), (5, 5, 1), (5.000001, 5, 1), (5.1, 5, 2), (40, 1, 40)],
)
def test_how_many_so_many_need(in_flight, target, count):
    assert needs(in_flight, target) == count


# --- windows -----------------------------------------------------------------------
def test_a_mean_forgets():
    mean = Mean(6)
    assert mean.value == 0
    for second in range(6):
        mean.record(second, 10)
    assert mean.value == 10
    mean.record(6, 40)
    assert mean.value == pytest.approx(90 / 6)
    mean.record(100, 7)
    assert mean.value == 7


def test_what_lasted():
    lasting = Lasting(3)
    found = []
    for value in (40, 40, 30, 50, 5, 50):
        lasting.record(value)
        found.append(lasting.value)
    assert found == [0, 0, 30, 30, 5, 5]


def test_the_most_of_a_span():
    most = Most()
    assert most.within(0, 10) == 0
    for at, value in enumerate([3, 8, 2, 5, 1]):
        most.record(at, value)
    assert most.within(4, 10) == 8
    assert most.within(4, 3) == 8
    assert most.within(4, 2) == 5
    assert most.within(4, 1) == 5
    assert most.within(4, 0) == 1
    assert most.within(100, 5) == 1


# --- over time ---------------------------------------------------------------------
class Endpoint:
    """Follows its own decisions at once, from second to second."""

    def __init__(self, **changes):
        self.policy = Policy()
        self.now = 0.0
        self.wanted = self.ready = 1
        self.usual = {"minimum": 1, "maximum": 8, "target": 5, "idle_timeout": 300}
        self.usual |= changes

    def run(self, seconds, in_flight, **changes):
        """The number wanted after each second."""
        counts = []
        for _ in range(seconds):
            seen = Seen(
                in_flight=in_flight,
                wanted=self.wanted,
                ready=self.ready,
                **{**self.usual, **changes},
            )
            decision = self.policy.look(self.now, seen)
            self.now += 1
            self.wanted = self.ready = decision.count
            counts.append(decision.count)
        return counts


def test_a_step_is_followed_at_the_third_look():
    one = Endpoint()
    one.run(60, 0)
    counts = one.run(3, 40)
    assert counts == [2, 3, 8]


def test_a_spike_of_a_second_or_two_is_not_followed_to_its_height():
    one = Endpoint()
    one.run(60, 0)
    assert max(one.run(1, 40) + one.run(30, 0)) == 2
    other = Endpoint()
    other.run(60, 0)
    assert max(other.run(2, 40) + other.run(30, 0)) == 3


def test_slow_growth_is_followed_without_panic():
    one = Endpoint()
    one.wanted = one.ready = 2
    one.run(60, 8)
    # Three would be needed for twelve, half as many again as run: no panic.
    counts = one.run(60, 12)
    assert set(counts[:25]) == {2}
    assert counts[-1] == 3


def test_nothing_goes_before_the_idle_timeout_is_over():
    one = Endpoint(idle_timeout=300)
    one.run(60, 0)
    one.run(30, 40)
    counts = one.run(900, 4)
    # The stable mean falls below 35 soon, and eight were needed until then.
    assert set(counts[:300]) == {8}
    assert counts[-1] == 1
    assert counts == sorted(counts, reverse=True)


def test_what_comes_back_within_the_idle_timeout_finds_its_replicas():
    one = Endpoint(idle_timeout=300)
    one.run(60, 0)
    one.run(60, 40)
    counts = [c for _ in range(10) for c in one.run(100, 2) + one.run(100, 40)]
    assert set(counts) == {8}


def test_a_panic_lasts_until_the_stable_window_is_calm():
    one = Endpoint(idle_timeout=0)
    one.run(60, 0)
    one.run(10, 40)
    # Panic ends STABLE seconds after the short window asked for twice what is ready;
    # the stable mean then has all of the forty, and falls with time.
    counts = one.run(int(STABLE) * 2, 0)
    assert counts[0] == 8
    assert counts[-1] == 1
    assert set(counts[: int(STABLE) - 10]) == {8}


def test_those_who_wait_for_the_first_one_wake_no_second():
    one = Endpoint(minimum=0)
    one.ready = 0
    counts = []
    for _ in range(30):
        counts += one.run(1, 100)
        one.ready = 0
    assert set(counts) == {1}
    one.ready = 1
    # It answers, and most of them are gone within seconds.
    assert set(one.run(1, 80) + one.run(2, 30) + one.run(60, 3)) == {1}


def test_those_who_still_wait_once_it_answers_start_more():
    one = Endpoint(minimum=0)
    for _ in range(30):
        one.ready = 0
        one.run(1, 100)
    one.ready = 1
    counts = one.run(12, 80)
    assert set(counts[: int(PANIC) - 1]) == {1}
    assert counts[-1] == 8


def test_a_worker_that_starts_anew_stops_nothing_that_is_in_use():
    one = Endpoint(idle_timeout=5)
    one.wanted = one.ready = 8
    assert set(one.run(120, 40)) == {8}


def test_a_worker_that_starts_anew_waits_the_idle_timeout_again():
    one = Endpoint(idle_timeout=60)
    one.wanted = one.ready = 8
    counts = one.run(63, 5)
    assert set(counts[:61]) == {8}
    assert counts[-1] == 1


def test_a_minimum_that_was_lowered_counts_as_needed_until_then():
    one = Endpoint(idle_timeout=60)
    one.run(30, 5, minimum=4)
    counts = one.run(70, 5)
    assert set(counts[:60]) == {4}
    assert counts[-1] == 1


def test_the_numbers_of_a_decision_explain_it():
    policy = Policy()
    seen = Seen(
        in_flight=23,
        wanted=3,
        ready=3,
        minimum=1,
        maximum=8,
        target=5,
        idle_timeout=300,
    )
    decision = policy.look(0, seen)
    assert (decision.count, decision.in_flight) == (5, 23)
