"""Two looks make a point: what was gained, what was used, what began. Pure."""

from datetime import UTC, datetime, timedelta

import pytest

from endpoints.ingress.base import BOUNDS, Answers, Traffic
from replicas.engine.base import Usage
from replicas.metrics.collect import Collector, Counts, Samples
from replicas.metrics.counting import Levels, gained, used
from replicas.metrics.fleet import Fleet, Member
from replicas.metrics.gpus import GpuNow
from replicas.metrics.point import Level
from replicas.states import ReplicaState as S

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
START = NOON.timestamp()
WHISPER = 7


def answers(ok=0, broken=0, held=0):
    """`ok` answers within 50 ms, `broken` ones of the ingress itself."""
    buckets = [0] * (len(BOUNDS) + 1)
    buckets[BOUNDS.index(0.05)] = ok
    return Answers((0, ok, 0, 0, broken), tuple(buckets), held)


def counts(ok=0, in_flight=0, waiting=0, **others):
    """What the ingress tells of "whisper"."""
    if not ok and not in_flight:
        return Counts({}, {"whisper": Traffic(0, 0)}, {})
    return Counts(
        {"whisper": answers(ok, **others)},
        {"whisper": Traffic(in_flight, ok + in_flight)},
        {"whisper": waiting} if waiting else {},
    )


def usage(seconds, cpu, **changes):
    fields = {"memory": 100, "limit": 1000, "received": 10, "sent": 20, **changes}
    return Usage(NOON + timedelta(seconds=seconds), cpu, **fields)


def member(number=1, state=S.READY, **changes):
    fields = {
        "id": number,
        "endpoint": "whisper",
        "number": number,
        "attempt": 1,
        "state": state,
        "container_id": f"c{number}",
        "cores": 4.0,
        "gpus": (),
        "ready_at": NOON - timedelta(hours=1),
    }
    return Member(**{**fields, **changes})


class Looks:
    """A collector that looks every ten seconds from noon on."""

    def __init__(self, **given):
        self.collector = Collector(**given)
        self.at = START
        self.snapshot = None

    def look(self, told, *members, samples=None, usages=(), took=None, gpus=()):
        """The point of "whisper" for the ten seconds before; None without one."""
        fleet = Fleet({"whisper": WHISPER}, members)
        fresh = {one.id: 1.5 for one in self.collector.fresh_starts(fleet, self.at)}
        found = self.collector.collect(
            self.at,
            told,
            fleet,
            samples or Samples(),
            dict(usages),
            took or fresh,
            dict(gpus),
        )
        self.at += 10
        self.collector, self.snapshot = found.next, found.seen
        return found.points.get(WHISPER)


# --- Counters -----------------------------------------------------------------
def test_what_was_gained():
    more = gained(answers(10, 3, 2), answers(4, 3, 1))

    assert more == answers(6, 0, 1)


def test_an_ingress_that_began_anew_has_counted_from_zero():
    assert gained(answers(3, 0), answers(100, 5)) == answers(3, 0)
    # Also where some counters are ahead of what they were by now.
    assert gained(answers(200, 0), answers(100, 5)) == answers(200, 0)


def test_levels_are_weighed_by_time():
    levels = Levels()
    levels.add(2.0, {"a": 10})
    levels.add(2.0, {})
    levels.add(6.0, {"a": 5, "b": 0})

    assert levels.of("a") == Level(50.0, 10.0, 10)
    assert levels.of("a").mean == 5
    assert levels.of("b") == Level(0.0, 10.0, 0.0)


def test_use_between_two_readings():
    use = used(usage(10.3, 15.0, received=110), usage(0, 5.0), cores=4, seconds=10)

    assert (use.seconds, use.busy, use.cores) == (10, 10, 4)
    assert use.memory.mean == 100
    assert (use.received, use.sent) == (100, 0)


def test_a_container_that_started_again_counts_from_zero():
    use = used(usage(10, 1.0, sent=500), usage(0, 100.0, sent=20), cores=0, seconds=10)

    assert (use.busy, use.sent) == (1.0, 500)


def test_one_reading_says_nothing():
    assert used(usage(0, 1.0), None, 0, 10) is None
    assert used(usage(0, 1.0), usage(0, 1.0), 0, 10) is None


# --- Points -------------------------------------------------------------------
def test_the_first_look_counts_nothing():
    looks = Looks()

    assert looks.look(counts(1000)) is None
    assert looks.look(counts(1004)).requests == 4


def test_a_span_with_its_requests():
    looks = Looks()
    looks.look(counts(10), member())
    samples = Samples()
    samples.add(5.0, {"whisper": Traffic(4, 0)}, {"whisper": 3}, {})
    samples.add(5.0, {"whisper": Traffic(2, 0)}, {}, {})

    point = looks.look(counts(30, broken=2, held=1), member(), samples=samples)

    assert point.seconds == 10
    assert point.requests == 20
    assert point.classes == (0, 20, 0, 0, 2)
    assert sum(point.buckets) == 20
    assert point.held == 1
    assert point.in_flight == Level(30.0, 10.0, 4)
    assert point.queued == Level(15.0, 10.0, 3)
    assert point.ready == Level(10.0, 10.0, 1)
    assert not point.ended


def test_what_came_while_the_ingress_was_away_is_counted_over_that_time():
    looks = Looks()
    looks.look(counts(10))
    looks.at += 20  # two looks that failed

    point = looks.look(counts(40))

    assert (point.requests, point.seconds, point.rate) == (30, 30, 1)


def test_use_of_a_replica():
    looks = Looks()
    looks.look(counts(), member(), usages={"c1": usage(0, 5.0)})

    point = looks.look(counts(), member(), usages={"c1": usage(10, 25.0)})

    assert point.uses[1].busy == 20
    assert (point.cores, point.cores_limit) == (2.0, 4.0)
    assert (point.memory, point.memory_limit) == (100, 1000)


def test_a_new_container_has_no_use_before_its_second_look():
    looks = Looks()
    looks.look(counts(), member(), usages={"c1": usage(0, 5.0)})
    again = member(attempt=2, container_id="c2")

    assert looks.look(counts(), again, usages={"c2": usage(10, 1.0)}).uses == {}


def test_gpus_of_a_replica_together():
    looks = Looks()
    both = member(gpus=("GPU-a", "GPU-b"))
    looks.look(counts(), both)
    samples = Samples()
    for busy in (1.0, 0.5):
        now = {"GPU-a": GpuNow(busy, 10, 100), "GPU-b": GpuNow(0.0, 20, 100)}
        samples.add(5.0, {}, {}, now)

    point = looks.look(counts(), both, samples=samples)

    assert point.gpu == pytest.approx(7.5 / 20)
    assert point.gpu_memory == 30
    assert point.gpu_memory_limit == 200


def test_part_of_a_gpu_tells_its_memory_only():
    looks = Looks()
    part = member(gpus=("MIG-a",))
    looks.look(counts(), part)
    samples = Samples()
    samples.add(10.0, {}, {}, {"MIG-a": GpuNow(None, 10, 100)})

    point = looks.look(counts(), part, samples=samples)

    assert (point.gpu, point.gpu_memory) == (None, 10)


# --- Starts -------------------------------------------------------------------
def test_the_first_replica_is_a_cold_start_and_the_second_is_not():
    looks = Looks()
    looks.look(counts())
    first = member(1, ready_at=NOON + timedelta(seconds=3))
    second = member(2, ready_at=NOON + timedelta(seconds=13))

    (cold,) = looks.look(counts(), first).starts
    (warm,) = looks.look(counts(), first, second).starts

    assert (cold.number, cold.seconds, cold.cold) == (1, 1.5, True)
    assert cold.at == START + 3
    assert (warm.number, warm.cold) == (2, False)
    assert looks.look(counts(), first, second).starts == ()
    whisper = looks.snapshot.endpoints["whisper"]
    assert (sum(whisper.cold.buckets), whisper.cold.total) == (1, 1.5)
    assert sum(whisper.warm.buckets) == 1


def test_one_that_was_ready_before_the_collector_is_no_start():
    looks = Looks()
    looks.look(counts(), member())

    assert looks.look(counts(), member()).starts == ()


# --- What is worth a row ------------------------------------------------------
def test_an_idle_endpoint_has_no_rows():
    looks = Looks()
    looks.look(counts())

    assert looks.look(counts()) is None
    assert looks.look(counts()) is None


def test_a_running_one_has_a_row_though_nothing_asks_it():
    looks = Looks()
    looks.look(counts(), member())

    assert looks.look(counts(), member()) is not None


def test_the_end_has_one_row_more():
    looks = Looks()
    looks.look(counts(), member())
    assert not looks.look(counts(), member()).ended

    assert looks.look(counts()).ended
    assert looks.look(counts()) is None


@pytest.mark.parametrize("state", [S.WAITING, S.ASSIGNED, S.PULLING, S.FAILED])
def test_a_replica_without_a_container_is_nothing_to_tell(state):
    looks = Looks()
    looks.look(counts())

    assert looks.look(counts(), member(state=state, ready_at=None)) is None


def test_an_open_request_goes_on():
    looks = Looks()
    looks.look(counts())

    point = looks.look(counts(0, in_flight=1))
    assert not point.ended
    assert looks.look(counts(0, in_flight=1)) is not None
    assert looks.look(counts(1)).ended


def test_a_collector_that_begins_says_first_what_was_left_open():
    looks = Looks(ended={WHISPER: False})
    looks.look(counts())

    assert looks.look(counts()).ended
    assert looks.look(counts()) is None


def test_points_that_could_not_be_kept_are_counted_again():
    looks = Looks()
    looks.look(counts(10), member())
    lost = looks.collector
    started = member(2, ready_at=NOON + timedelta(seconds=5))
    looks.look(counts(15), member(), started)

    looks.collector = lost
    point = looks.look(counts(30), member(), started)

    assert (point.requests, point.seconds) == (20, 20)
    assert len(point.starts) == 1


# --- Going on -----------------------------------------------------------------
def test_a_collector_counts_on_from_what_another_saw():
    one = Looks()
    one.look(counts(10), member(), usages={"c1": usage(0, 5.0)})
    other = Looks(before=one.snapshot, ended={WHISPER: False})
    other.at = one.at
    started = member(2, ready_at=NOON + timedelta(seconds=5))

    point = other.look(counts(25), member(), started, usages={"c1": usage(10, 15.0)})

    assert point.requests == 15
    assert point.uses[1].busy == 10
    assert [start.number for start in point.starts] == [2]
