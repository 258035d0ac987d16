"""Each check sees what it is there for, and nothing else."""

from dataclasses import replace

import pytest

from tests.chaos.checks.agreement import Agreement
from tests.chaos.checks.answers import Answers
from tests.chaos.checks.containers import Containers
from tests.chaos.checks.deadlines import LIMITS, Deadlines
from tests.chaos.checks.gpus import Gpus
from tests.chaos.checks.loglines import broken
from tests.chaos.checks.ready import Ready
from tests.chaos.checks.routes import Routes
from tests.chaos.checks.strangers import Strangers
from tests.chaos.checks.timelines import Timelines
from tests.chaos.checks.wishes import Wishes
from tests.chaos.plan import Wish
from tests.chaos.world import Container, Endpoint, Event, Gpu, Replica, World

NOW = 1_000_000.0
STORY = ("WaitingForHardware", "ContainerStarted", "ReplicaRunning")
GOOD_REPLICA = Replica(7, "c001", 1, 1, 1, "ready", NOW - 60, None, 0, False, 1)
GOOD = World(
    NOW,
    endpoints=(
        Endpoint(1, "c001", 1, False, False, 1, 1, 1, 1, 1, "ready", {"EDITS": "0"}),
    ),
    replicas=(GOOD_REPLICA,),
    gpus=(Gpu("a", True, 7), Gpu("b", True, None)),
    events=tuple(Event(n, "c001", 7, 1, why) for n, why in enumerate(STORY)),
    containers=(Container("i7", "c7", "running", "c001", (7, 1), ("a",)),),
    strangers={"near": "x running"},
    routes={"c001": frozenset({"7.1"})},
)


def with_replica(**facts):
    return replace(GOOD, replicas=(replace(GOOD_REPLICA, **facts),))


def with_endpoint(**facts):
    return replace(GOOD, endpoints=(replace(GOOD.endpoints[0], **facts),))


def with_container(**facts):
    return replace(GOOD, containers=(replace(GOOD.containers[0], **facts),))


def events(*reasons):
    return tuple(Event(n, "c001", 7, 1, why) for n, why in enumerate(reasons))


STANDING = {"near": "x running"}


def checks():
    wishes = Wishes()
    wishes.expected = {"c001": Wish("c001", "chaos1", "plain", 1, 1)}
    return [
        *(Agreement(), Containers(), Gpus(), Deadlines(), Timelines(), Routes()),
        *(wishes, Strangers(lambda: STANDING)),
        *(Answers(lambda _: (200, "c001-1\n")), Ready(lambda: {"database": "ok"})),
    ]


def test_nothing_is_wrong_with_what_is_right():
    for check in checks():
        assert [check.always(GOOD), check.always(GOOD)] == [[], []]
        assert check.settled(GOOD) == []


ANOTHER = Container("i8", "c8", "running", "c001", (7, 2), ("a",))


@pytest.mark.parametrize(
    ("check", "world", "says"),
    [
        (Containers(), replace(GOOD, containers=(*GOOD.containers, ANOTHER)), "2 cont"),
        (Gpus(), replace(GOOD, containers=(*GOOD.containers, ANOTHER)), "given to"),
        (Gpus(), replace(GOOD, gpus=GOOD.gpus[1:]), "holds 0 of 1"),
        (Gpus(), with_replica(state="waiting"), "is waiting and holds 1"),
        (Timelines(), replace(GOOD, events=events(*STORY, STORY[2])), "told 2 times"),
        (Timelines(), replace(GOOD, events=events(STORY[0], *STORY)), "begins 2"),
        (
            Timelines(),
            replace(GOOD, events=events(*STORY, "ContainerGone", "ContainerExited")),
            "fails 2 times",
        ),
    ],
)
def test_what_no_moment_may_show(check, world, says):
    (what,) = check.always(world)
    assert says in what


@pytest.mark.parametrize(
    ("standing", "says"),
    [
        ({"near": "y running"}, "was “y running”"),
        ({"far": "y running"}, "is “gone”"),
    ],
)
def test_a_stranger_that_is_not_as_it_was(standing, says):
    check = Strangers(lambda: standing)
    # They were found after this look began.
    assert check.always(GOOD) == []
    (what,) = check.always(GOOD)
    assert says in what


@pytest.mark.parametrize(
    ("check", "world", "says"),
    [
        (Agreement(), replace(GOOD, replicas=()), "has 0 replicas in place of 1"),
        (Agreement(), with_replica(state="starting"), "is starting"),
        (Agreement(), with_replica(state="failed", retry_at=NOW + 900), "is failed"),
        (Agreement(), with_replica(state="failed", retry_at=NOW - 60), "is failed"),
        (Agreement(), with_replica(state="waiting"), "is waiting"),
        (Agreement(), with_replica(retire=True), "still to be replaced"),
        (Agreement(), with_endpoint(ready_count=2), "says that 2 are ready"),
        (Agreement(), with_endpoint(revision=2), "nobody looked at"),
        (Agreement(), with_endpoint(deleting=True), "still being deleted"),
        (Containers(), with_container(owner=(9, 1)), "nobody's"),
        (Containers(), with_container(state="exited"), "has no container"),
        (Containers(), replace(GOOD, containers=None), "does not answer"),
        (Gpus(), replace(GOOD, gpus=(Gpu("a", True, 9),)), "which is no more"),
        (Gpus(), replace(GOOD, gpus=(Gpu("a", False, 7),)), "called lost"),
        (
            Gpus(),
            replace(with_replica(state="waiting"), gpus=(Gpu("b", True, None),)),
            "free while replica 7 waits",
        ),
        (Timelines(), replace(GOOD, events=events(STORY[0])), "nobody said ready"),
        (Timelines(), replace(GOOD, events=events(*STORY[1:])), "no beginning"),
        (Timelines(), with_replica(state="stopped"), "nobody said stopped"),
        (Timelines(), with_replica(state="failed"), "nobody said failed"),
        (Routes(), replace(GOOD, routes={"c001": frozenset({"7.1", "6.1"})}), "6.1"),
        (Routes(), replace(GOOD, routes={"c001": frozenset()}), "leads to []"),
        (Routes(), replace(GOOD, routes=None), "does not answer"),
        (Answers(lambda _: (502, "no")), GOOD, "answered 502"),
        (Answers(lambda _: (200, "c002-1")), GOOD, "c002-1"),
        (Answers(lambda _: (200, "")), with_endpoint(paused=True), "answered 200"),
    ],
)
def test_what_may_not_stay(check, world, says):
    assert any(says in what for what in check.settled(world))


def test_a_route_of_nobody_may_not_stay():
    world = replace(GOOD, routes={**GOOD.routes, "gone": frozenset()})
    assert "gone" in Routes().settled(world)[0]


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (Wish("c001", "chaos1", "plain", 2, 2), "low is 1 in place of 2"),
        (Wish("c001", "chaos1", "plain", 1, 1, paused=True), "paused is False"),
        (Wish("c001", "chaos1", "plain", 1, 1, edits=3), "EDITS is 0 in place of 3"),
        (Wish("c009", "chaos1", "plain", 1, 1), "c009 is gone"),
    ],
)
def test_a_wish_that_was_lost(wish, says):
    check = Wishes()
    check.expected = {wish.name: wish}
    assert says in check.settled(GOOD)[0]


def test_a_back_off_and_a_place_in_line_are_no_disagreement():
    failed = with_replica(state="failed", retry_at=NOW + 40)
    failed = replace(failed, endpoints=with_endpoint(ready_count=0).endpoints)
    waiting = with_replica(state="waiting", trouble="NoHardware")
    waiting = replace(waiting, endpoints=failed.endpoints)
    assert Agreement().settled(failed) == []
    assert Agreement().settled(waiting) == []


def test_a_change_that_waits_for_hardware_leaves_the_old_ones_in_service():
    coming = replace(
        GOOD_REPLICA, id=8, number=2, revision=2, state="waiting", trouble="NoHardware"
    )
    world = replace(GOOD, replicas=(GOOD_REPLICA, coming))
    assert Agreement().settled(world) == []
    world = replace(GOOD, replicas=(GOOD_REPLICA, replace(coming, state="ready")))
    assert any("to be replaced" in what for what in Agreement().settled(world))


def test_a_state_on_its_way_has_a_deadline_that_begins_anew_with_each():
    clock = [0.0]
    check = Deadlines(lambda: clock[0])
    for state, limit in LIMITS.items():
        assert check.always(with_replica(state=state)) == []
        clock[0] += limit
        assert check.always(with_replica(state=state)) == []
        clock[0] += 1
        (what,) = check.always(with_replica(state=state))
        assert f"is {state} for {limit + 1} s" in what
    assert check.always(GOOD) == []


def test_lines_that_are_missing_or_double_are_found():
    def lines(*numbers, attempt=1):
        return [(7, attempt, f"line {number}") for number in numbers]

    assert list(broken([*lines(5, 6, 7), *lines(1, 2, attempt=2)])) == []
    assert list(broken(lines(5, 7))) == ["replica 7, start 1: 7 follows 5"]
    assert list(broken(lines(5, 5))) == ["replica 7, start 1: 5 follows 5"]
    assert list(broken([(7, 1, "I cannot")])) == []


def test_a_console_that_lacks_something_is_not_ready():
    told = {"database": "The database does not answer.", "valkey": "ok"}
    (what,) = Ready(lambda: told).settled(GOOD)
    assert what == "database: The database does not answer."
