"""A seed says what happens, whole and for ever."""

from itertools import islice

from tests.chaos.faults.table import STRIKES
from tests.chaos.kinds import ACTS, ALL_FAULTS, CALLS, FAULTS, METHODS, SERVER_FAULTS
from tests.chaos.plan import MOST, SPAN, rounds


def plan(seed, count, only=frozenset(), **rest):
    return list(islice(rounds(seed, only, **rest), count))


def words(seed, count):
    return "\n".join(map(str, plan(seed, count)))


def test_the_same_seed_is_the_same_plan():
    assert words(7, 60) == words(7, 60)
    assert words(7, 60) != words(8, 60)


def test_a_longer_run_begins_as_a_shorter_one():
    assert words(7, 60).startswith(words(7, 20))


def test_every_fault_strikes_before_any_strikes_far_more_often():
    struck = [step.kind for one in plan(3, 60) for step in one.faults]
    counts = [struck.count(kind) for kind in FAULTS]
    assert min(counts) >= 3
    assert max(counts) - min(counts) <= 2


def test_every_call_to_the_engine_goes_wrong_in_its_turn():
    steps = [step for one in plan(3, 700) for step in one.faults]
    for kind, calls in (("engine call hangs", CALLS), ("adapter call fails", METHODS)):
        struck = {step.args["call"] for step in steps if step.kind == kind}
        assert struck == set(calls)


def test_everything_people_do_is_done():
    done = {step.kind for one in plan(3, 60) for step in one.steps if not step.fault}
    assert done == set(ACTS)


def test_no_part_is_struck_twice_in_a_round():
    for one in plan(5, 100):
        parts = [FAULTS[step.kind].part for step in one.faults]
        assert len(parts) == len(set(parts))


def test_people_only_touch_what_is_there():
    there, paused = set(), set()
    for one in plan(5, 200):
        changed = []
        for step in one.steps:
            if step.fault:
                continue
            name = step.args["name"]
            if step.kind == "create":
                assert name not in there
                there.add(name)
                continue
            assert name in there
            if step.kind in ("pause", "resume"):
                assert (name in paused) == (step.kind == "resume")
            if step.kind == "delete":
                there.discard(name)
            if step.kind in ("pause", "resume"):
                (paused.add if step.kind == "pause" else paused.discard)(name)
            if step.kind not in ("restart", "requests", "viewer"):
                changed.append(name)
        paused &= there
        assert len(changed) == len(set(changed))
        assert set(one.wishes) == there
        assert {n for n, wish in one.wishes.items() if wish.paused} == paused
        assert len(there) <= MOST


def test_the_first_round_only_makes_and_all_steps_begin_within_the_span():
    first, *others = plan(5, 50)
    assert {step.kind for step in first.steps} == {"create"}
    for one in others:
        assert [step.at for step in one.steps] == sorted(s.at for s in one.steps)
        assert one.steps[-1].at <= SPAN + 0.3


def test_a_run_may_keep_to_some_faults():
    only = frozenset({"disk full", "web killed"})
    struck = {step.kind for one in plan(5, 20, only) for step in one.faults}
    assert struck == only


def test_what_befalls_a_server_strikes_where_there_is_one():
    def struck(**rest):
        return {step.kind for one in plan(5, 60, **rest) for step in one.faults}

    assert struck() == set(FAULTS)
    assert struck(server=True) == set(ALL_FAULTS)
    assert struck(server=True, only=frozenset(SERVER_FAULTS)) == set(SERVER_FAULTS)


def test_every_fault_is_one_that_can_be_struck():
    assert STRIKES.keys() == ALL_FAULTS.keys()
