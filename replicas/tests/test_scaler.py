"""Numbers from the ingress become numbers of replicas; the last one goes with care."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from channels.db import database_sync_to_async

from endpoints import services, sizing
from endpoints.ingress.base import Traffic
from endpoints.models import Endpoint
from endpoints.schedule import ALL_DAYS, Window
from endpoints.steps import Reason
from replicas import lock
from replicas.models import Replica
from replicas.runner.scaling import Autoscaler
from replicas.scaling.scaler import Scaler
from replicas.states import ReplicaState as S
from replicas.tests.house import House

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.valkey]


HOUR = (time(12), time(12))


class Clocked:
    """A house whose seconds pass when the test says so; its scaler sees them all."""

    def __init__(self, monkeypatch):
        self.house = House(monkeypatch)
        self.ingress = self.house.ingress
        monkeypatch.setattr("replicas.scaling.scaler.get_ingress", lambda: self.ingress)
        self.anew()
        self.now = datetime.now(UTC)

    def anew(self):
        """Another worker; seconds pass as the test says, whatever the wall shows."""
        self.passed = 0
        self.scaler = Scaler(clock=lambda: self.passed)

    def made(self, **fields):
        usual = {"min_replicas": 0, "max_replicas": 8, "concurrency": 5}
        return self.house.endpoint(**{**usual, "idle_timeout": 60, **fields})

    def up(self, **fields):
        endpoint = self.made(**fields)
        self.house.up(endpoint)
        # Rows have the time of the machine.
        self.now = datetime.now(UTC)
        return endpoint

    def run(self, seconds, beat=1):
        """Ids to look at, from all these seconds; they are looked at."""
        found = []
        for _ in range(0, seconds, beat):
            self.now += timedelta(seconds=beat)
            self.passed += beat
            looks = self.scaler.tick(self.now)
            for endpoint in Endpoint.objects.filter(pk__in=looks):
                self.house.settle(endpoint)
                self.house.answer(endpoint)
            found += looks
        return found

    def begin(self, endpoint, count=1):
        return [self.ingress.begin(endpoint.name) for _ in range(count)]

    def end(self, endpoint, keys):
        for key in keys:
            self.ingress.end(endpoint.name, key)


@pytest.fixture
def clocked(valkey, monkeypatch):
    return Clocked(monkeypatch)


def wanted(endpoint):
    endpoint.refresh_from_db()
    return endpoint.wanted_count


def told(endpoint):
    reasons = (Reason.RESIZED, Reason.SLEPT, Reason.WOKEN)
    events = endpoint.events.filter(reason__in=reasons).order_by("at", "id")
    return [(e.reason, e.data.get("old"), e.data.get("new"), e.message) for e in events]


# --- growing and shrinking ----------------------------------------------------------
def test_replicas_follow_what_is_in_flight(clocked):
    endpoint = clocked.up(min_replicas=1)
    clocked.run(10)
    clocked.begin(endpoint, 23)
    clocked.run(10)
    assert wanted(endpoint) == 5
    assert len(clocked.house.containers()) == 5
    last = told(endpoint)[-1]
    assert last[2:] == (5, "23 in flight, target 5 each.")
    assert endpoint.events.filter(reason=Reason.RESIZED).last().data["in_flight"] == 23
    # Each line begins where the one before it ended.
    steps = [(old, new) for _, old, new, _ in told(endpoint)]
    assert steps[0][0] == 1
    assert [new for _, new in steps[:-1]] == [old for old, _ in steps[1:]]


def test_what_is_not_needed_goes_after_the_idle_timeout(clocked):
    endpoint = clocked.up(min_replicas=1, idle_timeout=30)
    clocked.run(10)
    keys = clocked.begin(endpoint, 23)
    clocked.run(8)
    clocked.run(60, beat=10)
    clocked.end(endpoint, keys[3:])
    clocked.run(30, beat=10)
    assert wanted(endpoint) == 5
    clocked.run(120, beat=10)
    assert wanted(endpoint) == 1
    assert told(endpoint)[-1][3] == "3 in flight, target 5 each."


def test_the_maximum_holds(clocked):
    endpoint = clocked.up(min_replicas=1, max_replicas=2)
    clocked.begin(endpoint, 100)
    clocked.run(20)
    assert wanted(endpoint) == 2


def test_an_open_socket_is_use_for_ever(clocked):
    endpoint = clocked.up(idle_timeout=30)
    clocked.begin(endpoint)
    assert clocked.run(600, beat=30) == []
    assert wanted(endpoint) == 1


# --- to zero -----------------------------------------------------------------------
def test_the_last_one_goes_when_nobody_asked_for_the_idle_timeout(clocked):
    endpoint = clocked.up(idle_timeout=60)
    keys = clocked.begin(endpoint)
    clocked.run(5)
    clocked.end(endpoint, keys)
    clocked.run(58, beat=29)
    assert wanted(endpoint) == 1
    assert clocked.run(2) == [endpoint.pk]
    assert wanted(endpoint) == 0
    assert told(endpoint) == [(Reason.SLEPT, 1, 0, "No requests for 1 min.")]
    assert clocked.house.lead(endpoint) == []


def test_all_of_them_go_together(clocked):
    endpoint = clocked.up(idle_timeout=10, target_count=3)
    clocked.run(20)
    assert wanted(endpoint) == 0


def test_requests_too_short_to_be_seen_in_flight_count(clocked):
    endpoint = clocked.up(idle_timeout=30)
    for _ in range(10):
        clocked.run(20, beat=10)
        clocked.end(endpoint, clocked.begin(endpoint))
    clocked.run(1)
    clocked.run(28, beat=14)
    assert wanted(endpoint) == 1
    clocked.run(2)
    assert wanted(endpoint) == 0


def test_a_counter_that_began_anew_is_no_request(clocked):
    endpoint = clocked.up(idle_timeout=30)
    clocked.end(endpoint, clocked.begin(endpoint))
    clocked.run(20, beat=10)
    clocked.ingress._requests.clear()
    clocked.run(22)
    assert wanted(endpoint) == 0


def test_a_request_that_comes_while_it_decides_keeps_it(clocked, monkeypatch):
    endpoint = clocked.up(idle_timeout=30)
    clocked.run(29)
    calls = []

    def racing():
        calls.append(1)
        found = FakeTraffic.traffic()
        if len(calls) == 2:  # under the lock
            found[endpoint.name] = Traffic(0, 1)
        return found

    FakeTraffic = clocked.ingress.__class__(0)
    FakeTraffic.routes = clocked.ingress.routes
    monkeypatch.setattr(clocked.ingress, "traffic", racing)
    clocked.run(1)
    while len(calls) < 2:
        clocked.run(1)
    assert wanted(endpoint) == 1
    assert told(endpoint) == []


def test_nobody_stops_it_while_a_pass_works_on_it(clocked):
    endpoint = clocked.up(idle_timeout=30)
    with lock.held(endpoint.pk) as ours:
        assert ours
        assert clocked.run(40) == []
    assert wanted(endpoint) == 1
    clocked.run(1)
    assert wanted(endpoint) == 0


def test_one_that_has_just_become_ready_has_its_idle_timeout(clocked):
    endpoint = clocked.made(idle_timeout=30, target_count=0)
    Endpoint.objects.filter(pk=endpoint.pk).update(
        last_request_at=clocked.now - timedelta(days=1)
    )
    sizing.wake(endpoint, actor="alice")
    clocked.house.up(endpoint)
    clocked.run(25)
    assert wanted(endpoint) == 1
    clocked.run(10)
    assert wanted(endpoint) == 0


def test_a_slow_starter_is_left_alone(clocked):
    endpoint = clocked.made(idle_timeout=10)
    clocked.house.has_image()
    assert clocked.house.settle(endpoint) == [S.STARTING]
    clocked.run(600, beat=30)
    assert clocked.house.states(endpoint) == [S.STARTING]
    assert wanted(endpoint) == 1


def test_a_failing_one_of_an_idle_endpoint_goes_too(clocked):
    endpoint = clocked.made(idle_timeout=30)
    clocked.house.has_image()
    clocked.house.settle(endpoint)
    Replica.objects.update(state=S.FAILED, failures=3, attempt=3, started_at=None)
    clocked.run(40)
    assert wanted(endpoint) == 0


def test_a_minimum_keeps_its_replicas(clocked):
    endpoint = clocked.up(min_replicas=2, max_replicas=4, target_count=4)
    clocked.run(80, beat=10)
    assert wanted(endpoint) == 2
    clocked.run(600, beat=60)
    assert wanted(endpoint) == 2


def test_a_paused_one_is_left_alone(clocked):
    endpoint = clocked.up(idle_timeout=10)
    services.pause(endpoint, "alice")
    clocked.house.settle(endpoint)
    assert clocked.run(100, beat=10) == []
    endpoint.refresh_from_db()
    assert endpoint.target_count == 1


# --- from zero ---------------------------------------------------------------------
def test_a_knock_that_was_lost(clocked, monkeypatch):
    endpoint = clocked.made(target_count=0)
    clocked.house.settle(endpoint)
    seen = {endpoint.name: Traffic(3, 3)}
    clocked.ingress.queued[endpoint.name] = 3
    monkeypatch.setattr(clocked.ingress, "traffic", lambda: seen)
    assert clocked.run(1) == [endpoint.pk]
    assert wanted(endpoint) == 1
    assert clocked.run(30) == []
    assert [reason for reason, *_ in told(endpoint)] == [Reason.WOKEN]


def test_what_is_open_at_a_replica_that_ends_wakes_nothing(clocked, monkeypatch):
    """A socket lasts longer than "Sleep now"; only who waits for a replica counts."""
    endpoint = clocked.up(idle_timeout=30)
    clocked.begin(endpoint)
    clocked.run(2)
    assert sizing.sleep(endpoint, "alice")
    clocked.house.settle(endpoint)
    assert clocked.run(20) == []
    assert wanted(endpoint) == 0
    assert clocked.house.states(endpoint) == [S.STOPPING]
    clocked.ingress.queued[endpoint.name] = 1
    assert clocked.run(1) == [endpoint.pk]
    assert wanted(endpoint) == 1


def test_who_waits_is_asked_only_where_somebody_sleeps(clocked, monkeypatch):
    asked = []
    monkeypatch.setattr(clocked.ingress, "waiting", lambda: asked.append(1) or {})
    awake = clocked.up(name="awake")
    clocked.begin(awake)
    clocked.run(3)
    assert asked == []
    for name in ("one", "other"):
        ending = clocked.up(name=name)
        clocked.begin(ending)
        sizing.sleep(ending, "alice")
    clocked.run(1)
    assert asked == [1]


def test_one_that_is_woken_while_it_ends_has_its_idle_timeout(clocked):
    endpoint = clocked.up(idle_timeout=30)
    Replica.objects.update(ready_at=clocked.now - timedelta(hours=1))
    keys = clocked.begin(endpoint)
    clocked.run(2)
    sizing.sleep(endpoint, "alice")
    clocked.run(1)
    clocked.end(endpoint, keys)
    clocked.now += timedelta(hours=1)
    sizing.wake(endpoint, "alice")
    clocked.run(29)
    assert wanted(endpoint) == 1
    clocked.run(3)
    assert wanted(endpoint) == 0


# --- what nobody could use yet -------------------------------------------------------
def test_without_an_idle_timeout_a_start_is_still_waited_for(clocked):
    endpoint = clocked.made(idle_timeout=0)
    assert clocked.run(1) == []
    assert wanted(endpoint) == 1
    clocked.house.up(endpoint)
    clocked.now = Replica.objects.get().ready_at
    clocked.run(9)
    assert wanted(endpoint) == 1
    clocked.run(2)
    assert wanted(endpoint) == 0


def test_who_waits_for_hardware_for_ever_lets_it_sleep(clocked):
    endpoint = clocked.made(idle_timeout=30)
    clocked.house.settle(endpoint)
    Replica.objects.update(state=S.WAITING)
    clocked.run(25)
    assert wanted(endpoint) == 1
    clocked.run(8)
    assert wanted(endpoint) == 0


def test_who_is_waited_for_goes_on_waiting_for_hardware(clocked, monkeypatch):
    endpoint = clocked.made(idle_timeout=30)
    clocked.house.settle(endpoint)
    Replica.objects.update(state=S.WAITING)
    seen = {endpoint.name: Traffic(1, 1)}
    monkeypatch.setattr(clocked.ingress, "traffic", lambda: seen)
    clocked.run(300, beat=10)
    assert wanted(endpoint) == 1


def test_an_image_has_half_an_hour_whatever_the_idle_timeout(clocked):
    endpoint = clocked.made(idle_timeout=30)
    clocked.house.settle(endpoint)
    assert clocked.house.states(endpoint) == [S.PULLING]
    clocked.run(1740, beat=60)
    assert wanted(endpoint) == 1
    clocked.run(120, beat=20)
    assert wanted(endpoint) == 0


def test_a_second_try_has_its_start_timeout(clocked):
    endpoint = clocked.made(idle_timeout=30, start_timeout=120)
    clocked.house.has_image()
    clocked.house.settle(endpoint)
    Replica.objects.update(attempt=2, created_at=clocked.now - timedelta(hours=1))
    clocked.run(110, beat=10)
    assert wanted(endpoint) == 1
    clocked.run(20, beat=5)
    assert wanted(endpoint) == 0


# --- clocks -------------------------------------------------------------------------
def test_a_clock_that_was_put_back_stops_no_following(clocked):
    endpoint = clocked.up(min_replicas=1)
    clocked.run(10)
    clocked.now -= timedelta(hours=2)
    clocked.begin(endpoint, 23)
    clocked.run(10)
    assert wanted(endpoint) == 5


def test_a_clock_that_was_put_back_keeps_nothing_awake(clocked):
    endpoint = clocked.up(idle_timeout=30)
    clocked.run(1)
    clocked.end(endpoint, clocked.begin(endpoint))
    clocked.run(15)
    clocked.now -= timedelta(hours=2)
    clocked.run(28)
    assert wanted(endpoint) == 1
    endpoint.refresh_from_db()
    assert endpoint.last_request_at <= clocked.now
    clocked.run(4)
    assert wanted(endpoint) == 0


# --- what a new worker knows --------------------------------------------------------
def test_a_new_worker_knows_when_it_was_used_last(clocked):
    endpoint = clocked.up(idle_timeout=60)
    clocked.run(1)
    clocked.end(endpoint, clocked.begin(endpoint))
    clocked.run(40)
    clocked.anew()
    # The ingress began anew too: its counter tells nothing.
    clocked.ingress._requests.clear()
    clocked.run(10)
    assert wanted(endpoint) == 1
    clocked.run(11)
    assert wanted(endpoint) == 0


def test_a_worker_that_was_away_stops_nothing_that_was_used_meanwhile(clocked):
    endpoint = clocked.up(idle_timeout=30)
    clocked.end(endpoint, clocked.begin(endpoint))
    # Long ago, as far as anybody wrote; the counter says that somebody came since.
    clocked.now += timedelta(hours=1)
    Endpoint.objects.update(last_request_at=clocked.now - timedelta(minutes=50))
    clocked.run(29)
    assert wanted(endpoint) == 1
    clocked.run(4)
    assert wanted(endpoint) == 0


def test_what_nobody_wrote_of_is_not_old(clocked):
    endpoint = clocked.up(idle_timeout=30)
    clocked.now += timedelta(hours=1)
    clocked.run(29)
    assert wanted(endpoint) == 1
    endpoint.refresh_from_db()
    assert endpoint.last_request_at is None  # nobody has asked
    clocked.run(4)
    assert wanted(endpoint) == 0


def test_short_requests_are_written_seldom_too(clocked):
    endpoint = clocked.up()
    written = set()
    for _ in range(30):
        clocked.end(endpoint, clocked.begin(endpoint))
        clocked.run(1)
        endpoint.refresh_from_db()
        written.add(endpoint.last_request_at)
    last = clocked.now
    assert len(written - {None}) <= 4
    # The last of them is written when nobody comes any more.
    clocked.run(12)
    endpoint.refresh_from_db()
    assert endpoint.last_request_at == last


def test_use_is_written_seldom(clocked, django_assert_max_num_queries):
    endpoint = clocked.up()
    clocked.begin(endpoint)
    clocked.run(2)
    endpoint.refresh_from_db()
    first = endpoint.last_request_at
    clocked.run(8)
    endpoint.refresh_from_db()
    assert endpoint.last_request_at == first
    clocked.run(5)
    endpoint.refresh_from_db()
    assert endpoint.last_request_at > first


def test_a_tick_over_many_takes_a_fixed_number_of_queries(
    clocked, django_assert_num_queries
):
    for _ in range(3):
        clocked.up(min_replicas=1)
    clocked.run(1)
    with django_assert_num_queries(3):
        clocked.run(1)


# --- the minimum of the hour --------------------------------------------------------
def test_a_schedule_begins_and_ends(clocked):
    clocked.now = datetime(2026, 11, 20, 7, 59, 58, tzinfo=UTC)
    endpoint = clocked.made(target_count=0, idle_timeout=30)
    clocked.house.has_image()
    endpoint.windows.create(
        days=ALL_DAYS, begins=time(8), ends=time(8, 1), min_replicas=2
    )
    assert clocked.run(1) == []
    assert clocked.run(1) == [endpoint.pk]
    assert wanted(endpoint) == 2
    clocked.run(59)
    endpoint.refresh_from_db()
    assert endpoint.minimum_now == 2
    clocked.run(1)
    endpoint.refresh_from_db()
    assert endpoint.minimum_now is None
    # Idle since long, as far as the clock of this test goes.
    Replica.objects.update(ready_at=clocked.now - timedelta(hours=1))
    clocked.run(2)
    assert wanted(endpoint) == 0
    assert told(endpoint)[0] == (
        Reason.RESIZED,
        0,
        2,
        "The schedule keeps 2 replicas until 08:01 on 20 November.",
    )


def test_a_schedule_is_worked_out_once(clocked, monkeypatch):
    endpoint = clocked.made(target_count=0)
    sizing.set_schedule(
        endpoint,
        [Window(ALL_DAYS, *HOUR, 0)],
        "",
        "alice",
    )
    asked = []
    really = sizing.minimum_of
    monkeypatch.setattr(
        "replicas.scaling.scaler.sizing.minimum_of",
        lambda *args: asked.append(1) or really(*args),
    )
    clocked.run(30)
    assert len(asked) == 1
    sizing.set_schedule(endpoint, [Window(ALL_DAYS, *HOUR, 2)], "", "alice")
    asked.clear()
    clocked.run(30)
    assert len(asked) == 1


# --- numbers that do not fit ---------------------------------------------------------
def test_there_are_no_more_than_the_ingress_takes(clocked, settings):
    settings.ALIGHT_INGRESS_SERVERS = 3
    endpoint = clocked.up(min_replicas=1, max_replicas=8)
    clocked.begin(endpoint, 100)
    clocked.run(20)
    assert wanted(endpoint) == 3


def test_a_minimum_above_what_the_ingress_takes_is_not_fought(clocked, settings):
    settings.ALIGHT_INGRESS_SERVERS = 1
    endpoint = clocked.up(min_replicas=2, max_replicas=8, target_count=2)
    assert clocked.run(20) == []
    assert told(endpoint) == []


# --- troubles -----------------------------------------------------------------------
def test_without_the_ingress_nothing_is_decided(clocked):
    endpoint = clocked.up(idle_timeout=10)
    clocked.ingress.reachable = False
    assert clocked.run(20) == []
    assert wanted(endpoint) == 1


def test_without_the_ingress_a_schedule_begins(clocked):
    clocked.now = datetime(2026, 11, 20, 7, 59, 59, tzinfo=UTC)
    endpoint = clocked.made(target_count=0)
    endpoint.windows.create(days=ALL_DAYS, begins=time(8), ends=time(9), min_replicas=2)
    clocked.ingress.reachable = False
    assert clocked.scaler.tick(clocked.now + timedelta(seconds=1)) == [endpoint.pk]
    assert wanted(endpoint) == 2


def test_the_trouble_of_one_is_none_of_the_others(clocked, caplog, monkeypatch):
    """A zone that is no longer known, and a decision that cannot be carried out."""
    lost = clocked.made(name="lost", schedule_zone="Mars/Base", target_count=0)
    lost.windows.create(days=ALL_DAYS, begins=time(12), ends=time(12), min_replicas=1)
    broken = clocked.up(name="broken", min_replicas=1)
    other = clocked.up(name="other", min_replicas=1)
    clocked.begin(broken, 23)
    clocked.begin(other, 23)
    really = sizing.resize

    def resize(endpoint, *args, **more):
        if endpoint.name == "broken":
            msg = "no"
            raise RuntimeError(msg)
        return really(endpoint, *args, **more)

    monkeypatch.setattr("replicas.scaling.scaler.sizing.resize", resize)
    clocked.run(10)
    assert wanted(other) == 5
    assert wanted(broken) == 1
    assert caplog.text.count("lost: its number of replicas stays") == 1
    assert caplog.text.count("broken: its number of replicas stays") == 1


async def test_the_runner_says_once_that_it_sees_nothing(clocked, caplog):
    clocked.ingress.reachable = False
    one = Autoscaler()
    await one.step()
    await one.step()
    assert caplog.text.count("The ingress does not answer") == 1


async def test_an_ingress_that_comes_late_or_again_is_told_where_replicas_are(clocked):
    endpoint = await database_sync_to_async(clocked.up)(min_replicas=1)
    routes, one = clocked.ingress.routes, Autoscaler()
    assert routes[endpoint.name].upstreams
    for _ in ("the worker was first", "it was away"):
        clocked.ingress.reachable = False
        await one.step()
        # As it starts after a long absence: its files name no replica.
        routes[endpoint.name] = replace(routes[endpoint.name], upstreams=())
        clocked.ingress.reachable = True
        await one.step()
        await asyncio.gather(*one._looks)
        assert routes[endpoint.name].upstreams
    # While it answers, beat's rounds will do.
    await one.step()
    assert not one._looks
