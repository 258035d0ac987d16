"""The planner as a table: a world, and what it asks for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from replicas.engine.base import Observed
from replicas.reconciler.actions import (
    Act,
    Add,
    Drop,
    Forget,
    Limits,
    Settle,
    StopRollout,
)
from replicas.reconciler.plan import plan
from replicas.reconciler.snapshot import ReplicaFacts, Snapshot, WishFacts
from replicas.reconciler.steps import backoff
from replicas.states import ReplicaState as S

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LIMITS = Limits(
    grace=timedelta(seconds=30),
    drain=timedelta(seconds=20),
    shrink=timedelta(seconds=900),
)


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def wish(wanted=1, *, revision=1, deleting=False, start_timeout=600, **facts):
    return WishFacts(wanted, revision, deleting, start_timeout, **facts)


def replica(state, *, id=1, number=None, **facts):
    facts.setdefault("since", ago(1))
    return ReplicaFacts(
        id=id,
        number=number or id,
        attempt=facts.pop("attempt", 1),
        revision=facts.pop("revision", 1),
        state=state,
        **facts,
    )


def container(*, running=True, created=False, exit_code=None, ended=0.0):
    return Observed(
        id="c1",
        name="c1",
        labels={},
        node="box",
        running=running,
        created=created,
        exit_code=exit_code,
        oom=False,
        address="172.30.0.2" if running else "",
        started_at=None,
        finished_at=None if running else ago(ended),
    )


def world(*replicas, containers=None, wanted=1, **rest):
    facts = {"wish": wish(wanted), **rest}
    return Snapshot(replicas=replicas, containers=containers or {}, **facts)


def ask(snapshot):
    """The plan in short: ("verb", replica id), "add 1", "drop c1", "forget"."""
    short = []
    for action in plan(snapshot, NOW, LIMITS).actions:
        match action:
            case Act():
                short.append((action.verb, action.replica.id))
            case Add():
                short.append(f"add {action.number}")
            case Settle():
                short.append(f"settle {action.revision}")
            case StopRollout():
                short.append(f"stop {action.revision} for {action.fallback}")
            case Drop():
                short.append(f"drop {action.container_id}")
            case Forget():
                short.append("forget")
    return short


running, exited, created = (
    container(),
    container(running=False),
    container(running=False, created=True),
)

ONE_REPLICA = {
    "nothing yet: a place is made": (world(), ["add 1"]),
    "waits for hardware": (world(replica(S.WAITING)), [("assign", 1)]),
    "assigned, image missing": (world(replica(S.ASSIGNED)), [("fetch", 1)]),
    "assigned, image there": (
        world(replica(S.ASSIGNED), images=frozenset({1})),
        [("launch", 1)],
    ),
    "pulling": (world(replica(S.PULLING)), []),
    "pulled": (world(replica(S.PULLING), images=frozenset({1})), [("launch", 1)]),
    "worker died before the container was made": (
        world(replica(S.STARTING)),
        [("launch", 1)],
    ),
    "worker died before it was started": (
        world(replica(S.STARTING), containers={(1, 1): created}),
        [("launch", 1)],
    ),
    "worker died before the start was written": (
        world(replica(S.STARTING), containers={(1, 1): running}),
        [("adopt", 1)],
    ),
    "starting, no answer yet": (
        world(replica(S.STARTING, started_at=ago(5)), containers={(1, 1): running}),
        [],
    ),
    "it answered": (
        world(
            replica(S.STARTING, started_at=ago(5), answered_at=ago(0)),
            containers={(1, 1): running},
        ),
        [("ready", 1)],
    ),
    "start time is over": (
        world(
            replica(S.STARTING, since=ago(602), started_at=ago(601)),
            containers={(1, 1): running},
        ),
        [("timeout", 1)],
    ),
    "its engine was killed while it started it": (
        world(
            replica(S.STARTING, started_at=ago(5)),
            containers={(1, 1): replace(running, address="")},
        ),
        [("no_address", 1)],
    ),
    "the same, before the start was written": (
        world(
            replica(S.STARTING),
            containers={(1, 1): replace(running, address="")},
        ),
        [("no_address", 1)],
    ),
    "at another address while starting": (
        world(
            replica(S.STARTING, started_at=ago(5), address="172.30.0.9"),
            containers={(1, 1): running},
        ),
        [("adopt", 1)],
    ),
    "ready and taken from its network": (
        world(
            replica(S.READY, address="172.30.0.2"),
            containers={(1, 1): replace(running, address="")},
        ),
        [("no_address", 1)],
    ),
    "ready, restarted by hand, and at another address": (
        world(replica(S.READY, address="172.30.0.9"), containers={(1, 1): running}),
        [("restarted", 1)],
    ),
    "silent, restarted by hand, and at the same address": (
        world(
            replica(
                S.UNHEALTHY,
                address="172.30.0.2",
                started_at=ago(60),
                silent_since=ago(50),
            ),
            containers={(1, 1): replace(running, started_at=ago(5))},
        ),
        [("restarted", 1)],
    ),
    "ready, and its start was noted with fewer digits": (
        world(
            replica(S.READY, address="172.30.0.2", started_at=ago(5)),
            containers={(1, 1): replace(running, started_at=ago(5.0004))},
        ),
        [],
    ),
    "restarted by hand after it answered, before it was ready": (
        world(
            replica(S.STARTING, started_at=ago(60), answered_at=ago(6)),
            containers={(1, 1): replace(running, started_at=ago(5))},
        ),
        [("adopt", 1)],
    ),
    "ready and where it was": (
        world(replica(S.READY, address="172.30.0.2"), containers={(1, 1): running}),
        [],
    ),
    "exited while starting": (
        world(replica(S.STARTING, started_at=ago(5)), containers={(1, 1): exited}),
        [("exited", 1)],
    ),
    "taken away while starting": (
        world(replica(S.STARTING, started_at=ago(5))),
        [("gone", 1)],
    ),
    "ready": (world(replica(S.READY), containers={(1, 1): running}), []),
    "ready and exited": (
        world(replica(S.READY), containers={(1, 1): exited}),
        [("exited", 1)],
    ),
    "ready and taken away": (world(replica(S.READY)), [("gone", 1)]),
    "ready, stopped answering": (
        world(replica(S.READY, silent_since=ago(1)), containers={(1, 1): running}),
        [("silent", 1)],
    ),
    "paused by hand": (
        world(replica(S.READY), containers={(1, 1): replace(running, paused=True)}),
        [("silent", 1)],
    ),
    "paused for long": (
        world(
            replica(S.UNHEALTHY, silent_since=ago(500)),
            containers={(1, 1): replace(running, paused=True)},
        ),
        [],
    ),
    "silent for a while": (
        world(replica(S.UNHEALTHY, silent_since=ago(9)), containers={(1, 1): running}),
        [],
    ),
    "answers again": (
        world(replica(S.UNHEALTHY), containers={(1, 1): running}),
        [("answering", 1)],
    ),
    "silent for too long": (
        world(
            replica(S.UNHEALTHY, silent_since=ago(121)), containers={(1, 1): running}
        ),
        [("restart_silent", 1)],
    ),
    "failed, waits": (world(replica(S.FAILED, retry_at=ago(-10))), []),
    "failed, next try is due": (
        world(replica(S.FAILED, retry_at=ago(0))),
        [("retry", 1)],
    ),
    "failed, container still runs": (
        world(replica(S.FAILED, retry_at=ago(0)), containers={(1, 1): running}),
        [("terminate", 1)],
    ),
    "failed, container exited and unread": (
        world(replica(S.FAILED, retry_at=ago(0)), containers={(1, 1): exited}),
        [],
    ),
    "failed, container exited and read": (
        world(
            replica(S.FAILED, retry_at=ago(0)),
            containers={(1, 1): exited},
            logs_done=frozenset({(1, 1)}),
        ),
        [("remove", 1)],
    ),
    "failed, container exited long ago and nobody reads": (
        world(
            replica(S.FAILED, since=ago(15), retry_at=ago(0)),
            containers={(1, 1): container(running=False, ended=16)},
        ),
        [("remove", 1)],
    ),
    "container of an attempt that is over": (
        world(replica(S.ASSIGNED, attempt=2), containers={(1, 1): running}),
        [("fetch", 1), "drop c1"],
    ),
    "container of a replica that is no more": (
        world(containers={(7, 1): running}, wanted=0),
        ["drop c1"],
    ),
}


@pytest.mark.parametrize("case", ONE_REPLICA)
def test_one_replica(case):
    snapshot, expected = ONE_REPLICA[case]
    assert ask(snapshot) == expected


STOPPING = {
    "requests are open": (
        world(
            replica(S.STOPPING),
            containers={(1, 1): running},
            open_requests={1: 2},
            wanted=0,
        ),
        [],
    ),
    "requests are done": (
        world(replica(S.STOPPING), containers={(1, 1): running}, wanted=0),
        [("terminate", 1)],
    ),
    "requests are open for too long": (
        world(
            replica(S.STOPPING, since=ago(20)),
            containers={(1, 1): running},
            open_requests={1: 2},
            wish=wish(0, paused=True),
        ),
        [("terminate", 1)],
    ),
    "a restart has as little time": (
        world(
            replica(S.STOPPING, since=ago(20), retire=True),
            containers={(1, 1): running},
            open_requests={1: 2},
            wanted=0,
        ),
        [("terminate", 1)],
    ),
    "only fewer are needed: much longer": (
        world(
            replica(S.STOPPING, since=ago(899)),
            containers={(1, 1): running},
            open_requests={1: 2},
            wanted=0,
        ),
        [],
    ),
    "but not for ever": (
        world(
            replica(S.STOPPING, since=ago(900)),
            containers={(1, 1): running},
            open_requests={1: 2},
            wanted=0,
        ),
        [("terminate", 1)],
    ),
    "it was asked to end": (
        world(
            replica(S.STOPPING, end_asked_at=ago(29)),
            containers={(1, 1): running},
            wanted=0,
        ),
        [],
    ),
    "it does not end": (
        world(
            replica(S.STOPPING, end_asked_at=ago(30)),
            containers={(1, 1): running},
            wanted=0,
        ),
        [("kill", 1)],
    ),
    "it never started": (
        world(replica(S.STOPPING), containers={(1, 1): created}, wanted=0),
        [("remove", 1)],
    ),
    "nothing of it is left": (
        world(replica(S.STOPPING), wanted=0),
        [("finish", 1)],
    ),
}


@pytest.mark.parametrize("case", STOPPING)
def test_stopping(case):
    snapshot, expected = STOPPING[case]
    assert ask(snapshot) == expected


def test_it_looks_again_when_the_back_off_is_over():
    retry_at = NOW + timedelta(seconds=40)
    failed = replica(S.FAILED, failures=3, retry_at=retry_at)
    todo = plan(world(failed), NOW, LIMITS)
    assert todo.again == retry_at


def test_it_looks_again_at_the_start_deadline():
    starting = replica(S.STARTING, since=ago(101), started_at=ago(100))
    snapshot = world(starting, containers={(1, 1): running})
    assert plan(snapshot, NOW, LIMITS).again == NOW + timedelta(seconds=500)


HOUR = 3600
SET_BACK = {
    "a back-off is never longer than it is": (
        replica(S.FAILED, since=ago(-HOUR), failures=1, retry_at=ago(-HOUR - 10)),
        {},
        [("retry", 1)],
    ),
    "asked to end an hour ahead of now": (
        replica(S.STOPPING, since=ago(-HOUR), end_asked_at=ago(-HOUR)),
        {(1, 1): running},
        [("kill", 1)],
    ),
    "finishing requests since then": (
        replica(S.STOPPING, since=ago(-HOUR), retire=True),
        {(1, 1): running},
        [("terminate", 1)],
    ),
    "silent since then": (
        replica(S.UNHEALTHY, silent_since=ago(-HOUR)),
        {(1, 1): running},
        [("restart_silent", 1)],
    ),
}


@pytest.mark.parametrize("case", SET_BACK)
def test_nothing_waits_for_a_clock_that_was_set_back(case):
    facts, containers, expected = SET_BACK[case]
    snapshot = world(facts, containers=containers)
    assert ask(replace(snapshot, open_requests={1: 1}))[:1] == expected


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
def test_a_start_has_its_time_whatever_the_engines_clock_says(ahead):
    starting = replica(S.STARTING, since=ago(100), started_at=ago(99 - ahead))
    todo = plan(world(starting, containers={(1, 1): running}), NOW, LIMITS)
    assert (todo.actions, todo.again) == ([], NOW + timedelta(seconds=500))


@pytest.mark.parametrize("ended", [HOUR, -HOUR])
def test_last_lines_are_read_whatever_the_engines_clock_says(ended):
    over = {(1, 1): container(running=False, ended=ended)}

    def failed(since):
        return replica(S.FAILED, since=ago(since), retry_at=ago(0))

    assert ask(world(failed(9), containers=over)) == []
    assert ask(world(failed(15), containers=over)) == [("remove", 1)]


def ready(id, **facts):
    return replica(S.READY, id=id, **facts)


def up(*ids):
    return {(i, 1): running for i in ids}


def test_it_fills_up_to_the_wanted_count():
    assert ask(world(ready(2), containers=up(2), wanted=3)) == ["add 1", "add 3"]


def test_a_place_is_free_only_when_its_replica_has_ended():
    stopping = replica(S.STOPPING, id=1, end_asked_at=ago(1))
    assert ask(world(stopping, containers=up(1))) == ["add 2"]


LOST_GPU = {
    "ready": (
        world(replica(S.READY, gpu_lost=True), containers={(1, 1): running}),
        [("gpu_lost", 1), "add 2"],
    ),
    "before it started": (
        world(replica(S.PULLING, gpu_lost=True), images=frozenset({1})),
        [("gpu_lost", 1), "add 2"],
    ),
    "in its back-off": (
        world(replica(S.FAILED, gpu_lost=True, retry_at=ago(-9))),
        [("gpu_lost", 1), "add 2"],
    ),
    "its successor is there": (
        world(
            replica(S.STOPPING, gpu_lost=True, end_asked_at=ago(1)),
            replica(S.WAITING, id=2, short=1),
            containers={(1, 1): running},
        ),
        [("assign", 2)],
    ),
    "open requests are not waited for": (
        world(
            replica(S.STOPPING, gpu_lost=True),
            replica(S.STARTING, id=2),
            containers={(1, 1): running},
            open_requests={1: 2},
            images=frozenset({1}),
        ),
        [("terminate", 1), ("launch", 2)],
    ),
    "nobody wants it any more": (
        world(replica(S.READY, gpu_lost=True), containers={(1, 1): running}, wanted=0),
        [("gpu_lost", 1)],
    ),
    "the others stay": (
        world(
            replica(S.READY),
            replica(S.READY, id=2, gpu_lost=True),
            containers={(1, 1): running, (2, 1): running},
            wanted=2,
        ),
        [("gpu_lost", 2), "add 3"],
    ),
    "in a change of revision": (
        Snapshot(
            wish=wish(1, revision=2),
            replicas=(
                replica(S.READY, gpu_lost=True),
                replica(S.STARTING, id=2, revision=2, started_at=ago(1)),
            ),
            containers={(1, 1): running, (2, 1): running},
        ),
        [("gpu_lost", 1)],
    ),
}


@pytest.mark.parametrize("case", LOST_GPU)
def test_a_lost_gpu(case):
    snapshot, expected = LOST_GPU[case]
    assert ask(snapshot) == expected


def test_it_retires_the_highest_number_first():
    snapshot = world(ready(1), ready(2), ready(3), containers=up(1, 2, 3), wanted=2)
    assert ask(snapshot) == [("retire", 3)]


def test_it_retires_what_serves_nobody_before_what_does():
    snapshot = world(
        replica(S.FAILED, id=1, retry_at=ago(-9)), ready(2), containers=up(2)
    )
    assert ask(snapshot) == [("retire", 1)]


def test_of_those_that_serve_the_one_with_the_fewest_open_requests_goes():
    snapshot = world(
        *(ready(i) for i in (1, 2, 3)),
        containers=up(1, 2, 3),
        open_requests={1: 4, 2: 1, 3: 4},
        wanted=2,
    )
    assert ask(snapshot) == [("retire", 2)]
    assert ask(replace(snapshot, wish=wish(1))) == [("retire", 2), ("retire", 3)]


def test_it_counts_open_requests_rarely_once_they_take_long():
    def again(since):
        snapshot = world(
            replica(S.STOPPING, since=ago(since)),
            containers=up(1),
            open_requests={1: 1},
            wanted=0,
        )
        return (plan(snapshot, NOW, LIMITS).again - NOW).total_seconds()

    assert [again(s) for s in (0, 10, 50, 600, 899)] == [1, 1, 5, 10, 1]


# --- needed again before it has ended ----------------------------------------------
def leaving(id=1, **facts):
    return replica(S.STOPPING, id=id, ready_at=ago(60), **facts)


CALLED_BACK = {
    "a wake that meets a stop": (
        world(leaving(), containers=up(1), open_requests={1: 1}),
        [("call_back", 1)],
    ),
    "also one that would have ended now": (
        world(leaving(), containers=up(1)),
        [("call_back", 1)],
    ),
    "no more than are needed, the busiest first": (
        world(
            leaving(1),
            leaving(2),
            leaving(3),
            containers=up(1, 2, 3),
            open_requests={1: 1, 2: 3, 3: 2},
            wanted=2,
        ),
        [("call_back", 2), ("call_back", 3)],
    ),
    "new ones for the rest": (
        world(ready(1), leaving(2), containers=up(1, 2), wanted=4),
        [("call_back", 2), "add 3", "add 4"],
    ),
    "not what was asked to end": (
        world(leaving(end_asked_at=ago(1)), containers=up(1)),
        ["add 2"],
    ),
    "not what never answered": (
        world(replica(S.STOPPING), containers=up(1), open_requests={1: 1}),
        ["add 2"],
    ),
    "not what did not answer any more": (
        world(leaving(silent_since=ago(5)), containers=up(1), open_requests={1: 1}),
        ["add 2"],
    ),
    "not what somebody wants replaced": (
        world(leaving(retire=True), containers=up(1), open_requests={1: 1}),
        ["add 2"],
    ),
    "not an old revision": (
        world(
            leaving(),
            containers=up(1),
            open_requests={1: 1},
            wish=wish(1, revision=2),
        ),
        ["add 2"],
    ),
    "not what has ended by itself": (
        world(leaving(), containers={(1, 1): container(running=False)}),
        ["add 2"],
    ),
    "not without its GPU": (
        world(leaving(gpu_lost=True), containers=up(1), open_requests={1: 1}),
        [("terminate", 1), "add 2"],
    ),
    "not while the endpoint is deleted": (
        world(
            leaving(),
            containers=up(1),
            open_requests={1: 1},
            wish=wish(0, deleting=True),
        ),
        [],
    ),
    "nor while another revision hands over": (
        world(
            leaving(2),
            replica(S.READY, id=1, revision=9),
            containers=up(1, 2),
            open_requests={2: 1},
        ),
        ["add 3"],
    ),
}


@pytest.mark.parametrize("case", CALLED_BACK)
def test_called_back(case):
    snapshot, expected = CALLED_BACK[case]
    assert ask(snapshot) == expected


def test_it_never_makes_more_than_there_are_places():
    replicas = [ready(i) for i in range(1, 9)]
    snapshot = world(*replicas, containers=up(*range(1, 9)), wanted=9)
    assert ask(snapshot) == []


def changed(*replicas, wanted, containers):
    return Snapshot(
        wish=wish(wanted, revision=2), replicas=replicas, containers=containers
    )


def test_a_change_adds_one_new_replica_before_an_old_one_goes():
    snapshot = changed(ready(1), ready(2), wanted=2, containers=up(1, 2))
    assert ask(snapshot) == ["add 3"]


def test_a_change_waits_for_the_new_one():
    coming = replica(S.STARTING, id=3, revision=2, started_at=ago(1))
    snapshot = changed(ready(1), ready(2), coming, wanted=2, containers=up(1, 2, 3))
    assert ask(snapshot) == []


def test_a_change_retires_an_old_one_when_the_new_one_is_ready():
    snapshot = changed(
        ready(1),
        ready(2),
        ready(3, revision=2),
        wanted=2,
        containers=up(1, 2, 3),
    )
    assert ask(snapshot) == [("retire", 2), "add 4"]


def test_a_change_gives_up_an_old_one_when_the_new_one_waits_for_its_hardware():
    blocked = replica(S.WAITING, id=2, revision=2, short=1)
    snapshot = changed(ready(1), blocked, wanted=1, containers=up(1))
    assert ask(snapshot) == [("assign", 2), ("retire", 1)]


def rollout(*replicas, wanted=1, containers, fallback=1):
    """Revision 2 is wanted and has not run in full yet; 1 did."""
    return Snapshot(
        wish=wish(wanted, revision=2, settled=False, fallback=fallback),
        replicas=replicas,
        containers=containers,
    )


def test_a_rollout_is_over_when_all_wanted_replicas_run_the_new_revision():
    new = [ready(3, revision=2), ready(4, revision=2)]
    half = rollout(ready(1), new[0], wanted=2, containers=up(1, 3))
    assert "settle 2" not in ask(half)
    assert ask(rollout(*new, wanted=2, containers=up(3, 4))) == ["settle 2"]


def test_a_revision_settles_once():
    snapshot = changed(ready(3, revision=2), wanted=1, containers=up(3))
    assert ask(snapshot) == []


def test_nothing_settles_while_nothing_is_wanted():
    assert ask(rollout(wanted=0, containers={})) == []


@pytest.mark.parametrize(
    ("trouble", "failures", "stops"),
    [
        ("ImageNotFound", 1, True),
        ("Exited", 1, True),
        ("StartTimedOut", 1, True),
        ("RegistryUnreachable", 2, False),
        ("RegistryUnreachable", 3, True),
        ("DiskFull", 1, False),
    ],
)
def test_a_revision_that_fails_stops_the_rollout(trouble, failures, stops):
    broken = replica(
        S.FAILED,
        id=2,
        revision=2,
        trouble=trouble,
        failures=failures,
        retry_at=ago(-9),
    )
    snapshot = rollout(ready(1), broken, containers=up(1))
    assert ask(snapshot) == (["stop 2 for 1"] if stops else [])


def test_a_first_revision_has_nothing_to_stop_for():
    broken = replica(S.FAILED, trouble="Exited", failures=1, retry_at=ago(-9))
    snapshot = world(broken, wish=wish(settled=False, fallback=None), containers={})
    assert ask(snapshot) == []


def test_an_old_replica_that_fails_does_not_stop_the_rollout():
    old = replica(S.FAILED, id=1, trouble="Exited", failures=1, retry_at=ago(-9))
    coming = replica(S.STARTING, id=2, revision=2, started_at=ago(1))
    assert ask(rollout(old, coming, containers=up(2))) == []


def test_what_never_ran_and_fails_makes_room_for_its_successor():
    """Two that cannot run would be tried again and again side by side."""
    old = replica(S.FAILED, id=1, trouble="Exited", failures=3, retry_at=ago(-9))
    coming = replica(S.STARTING, id=2, revision=2, started_at=ago(1))
    snapshot = rollout(old, coming, containers=up(2), fallback=None)
    assert ask(snapshot) == [("retire", 1)]


def test_one_that_failed_goes_at_once_when_a_fresh_one_is_asked_for():
    """There is nothing to keep until its successor is ready, which may never be."""
    failing = [replica(S.FAILED, id=n, retire=True, retry_at=ago(-9)) for n in (1, 2)]
    acts = [("retire", 1), ("retire", 2), "add 3", "add 4"]
    assert ask(world(*failing, wanted=2)) == acts


def test_a_stopped_rollout_ends_what_it_brought():
    """The wish is revision 1 again, as far as the planner is told."""
    broken = replica(S.FAILED, id=2, revision=2, retry_at=ago(-9))
    assert ask(world(ready(1), broken, containers=up(1))) == [("retire", 2)]


def broken(id=2, **facts):
    """Of a revision that was given up, in its back-off."""
    return replica(S.FAILED, id=id, revision=2, **{"retry_at": ago(-9), **facts})


GIVEN_UP = {
    "woken from zero: the one that serves comes at once": (
        world(broken()),
        [("retire", 2), "add 1"],
    ),
    "all that are wanted come at once": (
        world(broken(1), broken(2), wanted=2),
        [("retire", 1), ("retire", 2), "add 3", "add 4"],
    ),
    "the one that serves is on its way": (
        world(broken(), replica(S.PULLING)),
        [("retire", 2)],
    ),
    "its time to be tried again came": (
        world(broken(retry_at=ago(1))),
        [("retry", 2), ("retire", 2), "add 1"],
    ),
    "its hardware is enough: no other has to go": (
        world(
            broken(),
            ready(3, revision=2),
            replica(S.WAITING, short=1),
            containers=up(3),
        ),
        [("assign", 1), ("retire", 2)],
    ),
    "its hardware and that of one more": (
        world(
            broken(),
            ready(3, revision=2),
            replica(S.WAITING, short=2),
            containers=up(3),
        ),
        [("assign", 1), ("retire", 2), ("retire", 3)],
    ),
    "one that may become ready serves until another does": (
        world(
            replica(S.STARTING, id=2, revision=2, started_at=ago(1)), containers=up(2)
        ),
        ["add 1"],
    ),
    "one that failed of the revision that serves is tried again": (
        world(broken(), replica(S.FAILED, retry_at=ago(-9))),
        [("retire", 2)],
    ),
}


@pytest.mark.parametrize("case", GIVEN_UP)
def test_what_a_stopped_rollout_left_behind(case):
    snapshot, expected = GIVEN_UP[case]
    assert ask(snapshot) == expected


def settling(*replicas, wanted=3, minimum=0, containers):
    """Revision 2 has not run in full yet."""
    return Snapshot(
        wish=wish(wanted, revision=2, settled=False, fallback=1, minimum=minimum),
        replicas=replicas,
        containers=containers,
    )


def new(state, id, **facts):
    return replica(state, id=id, revision=2, **facts)


IN_LINE = (new(S.WAITING, 2), new(S.WAITING, 3))
SETTLING = {
    "two wait for hardware, one serves": (
        settling(new(S.READY, 1), *IN_LINE, containers=up(1)),
        True,
    ),
    "as many serve as run without traffic": (
        settling(
            new(S.READY, 1), new(S.READY, 2), IN_LINE[1], minimum=2, containers=up(1, 2)
        ),
        True,
    ),
    "fewer serve than run without traffic": (
        settling(new(S.READY, 1), *IN_LINE, minimum=2, containers=up(1)),
        False,
    ),
    "the minimum is above the maximum": (
        settling(new(S.READY, 1), wanted=1, minimum=2, containers=up(1)),
        True,
    ),
    "none serves": (settling(new(S.WAITING, 1), *IN_LINE, containers={}), False),
    "one is on its way": (
        settling(
            new(S.READY, 1),
            new(S.STARTING, 2, started_at=ago(1)),
            IN_LINE[1],
            containers=up(1, 2),
        ),
        False,
    ),
    "one failed for a reason that may pass": (
        settling(
            new(S.READY, 1),
            new(S.FAILED, 2, trouble="DiskFull", failures=1, retry_at=ago(-9)),
            IN_LINE[1],
            containers=up(1),
        ),
        False,
    ),
    "one of the wanted is not even made": (
        settling(new(S.READY, 1), IN_LINE[0], containers=up(1)),
        False,
    ),
    "an old one is left": (
        settling(new(S.READY, 1), *IN_LINE, ready(4), containers=up(1, 4)),
        False,
    ),
}


@pytest.mark.parametrize("case", SETTLING)
def test_a_revision_settles_with_the_hardware_there_is(case):
    snapshot, settles = SETTLING[case]
    assert ("settle 2" in ask(snapshot)) is settles


def test_a_full_house_makes_room_for_a_change():
    replicas = [ready(i) for i in range(1, 9)]
    snapshot = changed(*replicas, wanted=8, containers=up(*range(1, 9)))
    assert ask(snapshot) == [("retire", 8)]


def test_a_replica_that_somebody_wants_restarted_gets_a_successor_first():
    snapshot = world(ready(1, retire=True), containers=up(1))
    assert ask(snapshot) == ["add 2"]


def test_a_deleted_endpoint_is_forgotten_once_nothing_is_left():
    gone = Snapshot(wish=wish(0, deleting=True), replicas=())
    assert ask(gone) == ["forget"]


def test_a_deleted_endpoint_is_not_forgotten_while_a_container_is_there():
    left = Snapshot(
        wish=wish(0, deleting=True), replicas=(), containers={(1, 1): running}
    )
    assert ask(left) == ["drop c1"]


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 10), (1, 10), (2, 20), (3, 40), (4, 80), (5, 160), (6, 300), (60, 300)],
)
def test_the_back_off(failures, seconds):
    assert backoff(failures) == seconds
