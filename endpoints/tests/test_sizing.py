"""The verbs on numbers: one transaction, one line, and only the winner tells it."""

from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import transaction

from endpoints import services, signals, sizing
from endpoints.models import Endpoint
from endpoints.schedule import ALL_DAYS, InForce, Window
from endpoints.sizing import StaysAwake
from endpoints.steps import Reason
from endpoints.tests.factories import EndpointFactory

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ALWAYS_TWO = Window(ALL_DAYS, time(0), time(0), 2)


@pytest.fixture
def rung():
    heard = []

    def listen(endpoint_id, **_):
        heard.append(endpoint_id)

    signals.spec_changed.connect(listen)
    yield heard
    signals.spec_changed.disconnect(listen)


@pytest.fixture
def cold(alice):
    """Scaled to zero, up to three."""
    return EndpointFactory(
        name="whisper", owner=alice, min_replicas=0, max_replicas=3, target_count=0
    )


@pytest.fixture
def warm(alice):
    return EndpointFactory(
        name="whisper", owner=alice, min_replicas=0, max_replicas=8, target_count=3
    )


def story(endpoint):
    return [
        (e.reason, e.message, e.actor) for e in endpoint.events.order_by("at", "id")
    ]


def fresh(endpoint):
    return Endpoint.objects.get(pk=endpoint.pk)


# --- resize ------------------------------------------------------------------------
def test_a_new_number_is_told_with_its_numbers(
    warm, rung, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        assert sizing.resize(warm, 5, "23 in flight, target 5 each.")
    assert fresh(warm).wanted_count == 5
    assert story(warm) == [(Reason.RESIZED, "23 in flight, target 5 each.", "")]
    assert warm.events.get().data == {"old": 3, "new": 5}
    assert rung == [warm.pk]


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"target_count": 4},
        {"paused": True},
        {"deleting": True},
        {"minimum_now": 1},
        {"last_request_at": NOON},
    ],
)
def test_a_decision_that_is_out_of_date_changes_nothing(warm, rung, meanwhile):
    Endpoint.objects.filter(pk=warm.pk).update(**meanwhile)
    before = fresh(warm).target_count
    assert not sizing.resize(warm, 0, "No requests for 10 min.", reason=Reason.SLEPT)
    assert fresh(warm).target_count == before
    assert story(warm) == []
    assert rung == []


# --- wake --------------------------------------------------------------------------
def test_a_request_wakes_one(cold, rung, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        assert sizing.wake(cold)
    row = fresh(cold)
    assert row.wanted_count == cold.target_count == 1
    assert row.last_request_at is not None
    assert story(cold) == [(Reason.WOKEN, "A request asked for it.", "")]
    assert rung == [cold.pk]


def test_a_hundred_requests_wake_one_and_write_once(
    cold, time_machine, django_assert_num_queries, django_capture_on_commit_callbacks
):
    # As close to each other as a busy machine may not let them be.
    time_machine.move_to(NOON, tick=False)
    with django_capture_on_commit_callbacks(execute=True):
        assert sizing.wake(cold)
    last = fresh(cold).last_request_at
    with django_assert_num_queries(99):
        assert not any(sizing.wake(cold) for _ in range(99))
    assert fresh(cold).last_request_at == last
    assert len(story(cold)) == 1


def test_a_request_that_goes_on_waiting_keeps_it_from_idling(cold):
    sizing.wake(cold)
    old = fresh(cold).last_request_at - timedelta(seconds=5)
    Endpoint.objects.filter(pk=cold.pk).update(last_request_at=old)
    assert not sizing.wake(cold)
    assert fresh(cold).last_request_at > old


def test_a_person_wakes_it_and_is_named(cold):
    assert sizing.wake(cold, actor="alice")
    assert not sizing.wake(cold, actor="alice")
    assert story(cold) == [(Reason.WOKEN, "", "alice")]
    assert fresh(cold).last_request_at is None


@pytest.mark.parametrize("state", ["paused", "deleting"])
def test_what_may_not_run_is_not_woken(cold, state, rung):
    Endpoint.objects.filter(pk=cold.pk).update(**{state: True})
    assert not sizing.wake(cold)
    assert not sizing.wake(cold, actor="alice")
    assert fresh(cold).target_count == 0
    assert rung == []


def test_a_clock_that_was_put_back_hides_no_request(cold):
    sizing.wake(cold)
    ahead = fresh(cold).last_request_at + timedelta(hours=2)
    Endpoint.objects.filter(pk=cold.pk).update(last_request_at=ahead)
    sizing.wake(cold)
    assert fresh(cold).last_request_at < ahead


# --- sleep -------------------------------------------------------------------------
def test_sleep_now(warm, rung, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        assert sizing.sleep(warm, "alice")
    assert fresh(warm).wanted_count == 0
    assert story(warm) == [(Reason.SLEPT, "", "alice")]
    assert rung == [warm.pk]
    assert not sizing.sleep(warm, "alice")


def test_a_minimum_keeps_it_awake(warm):
    services.change(warm, "alice", min_replicas=1)
    with pytest.raises(StaysAwake, match="Its minimum keeps 1 replica running"):
        sizing.sleep(warm, "alice")
    assert fresh(warm).target_count == 3


def test_a_schedule_keeps_it_awake(warm):
    sizing.set_schedule(warm, [ALWAYS_TWO], "", "alice")
    with pytest.raises(StaysAwake) as said:
        sizing.sleep(warm, "alice")
    assert str(said.value) == (
        "Its schedule keeps 2 replicas. Change the schedule to let it sleep."
    )


def test_a_schedule_above_the_maximum_keeps_no_more_than_that(cold):
    """It is older than the maximum of today."""
    sizing.set_schedule(cold, [Window(ALL_DAYS, time(0), time(0), 9)], "", "alice")
    assert fresh(cold).wanted_count == 3
    with pytest.raises(StaysAwake, match="Its schedule keeps 3 replicas"):
        sizing.sleep(cold, "alice")
    Endpoint.objects.filter(pk=cold.pk).update(minimum_now=None, target_count=0)
    sizing.enforce_minimum(fresh(cold), InForce(9, None))
    assert cold.events.get(reason=Reason.RESIZED).message == (
        "The schedule keeps 3 replicas."
    )


def test_what_is_paused_says_so(warm):
    services.pause(warm, "alice")
    with pytest.raises(StaysAwake, match="It is paused and runs nothing"):
        sizing.sleep(warm, "alice")


def test_being_kept_warm_keeps_it_awake(warm):
    sizing.keep_warm(warm, datetime(2100, 1, 2, 18, tzinfo=UTC), "alice")
    with pytest.raises(StaysAwake, match="kept warm until 18:00 on 2 January"):
        sizing.sleep(warm, "alice")


# --- keep warm and schedule ----------------------------------------------------------
def test_keep_warm_starts_one_now(cold, rung, django_capture_on_commit_callbacks):
    until = datetime(2100, 1, 2, 18, tzinfo=UTC)
    with django_capture_on_commit_callbacks(execute=True):
        sizing.keep_warm(cold, until, "alice")
        sizing.keep_warm(cold, until, "alice")
    row = fresh(cold)
    assert (row.wanted_count, row.minimum_now, row.warm_until) == (1, 1, until)
    assert story(cold) == [
        (Reason.WARMED, "One replica at least until 18:00 on 2 January.", "alice")
    ]
    assert rung == [cold.pk]


def test_the_end_of_warmth_stops_nothing_at_once(cold):
    """What runs goes when the scaler has seen it idle, not with requests in flight."""
    sizing.keep_warm(cold, datetime(2100, 1, 2, 18, tzinfo=UTC), "alice")
    sizing.keep_warm(cold, None, "alice")
    row = fresh(cold)
    assert (row.minimum, row.wanted_count, row.warm_until) == (0, 1, None)
    assert story(cold)[1] == (Reason.COOLED, "", "alice")


def test_a_schedule_holds_at_once(cold, rung, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        sizing.set_schedule(cold, [ALWAYS_TWO], "Europe/Berlin", "alice")
        sizing.set_schedule(cold, [ALWAYS_TWO], "Europe/Berlin", "alice")
    row = fresh(cold)
    assert (row.wanted_count, row.minimum_now) == (2, 2)
    assert sizing.windows_of(row) == [ALWAYS_TWO]
    assert sizing.zone_of(row) == "Europe/Berlin"
    text = "1 time of the week with a minimum of its own."
    assert story(cold) == [(Reason.SCHEDULED, text, "alice")]
    assert rung == [cold.pk]


def test_a_schedule_that_is_taken_away(cold):
    sizing.set_schedule(cold, [ALWAYS_TWO], "", "alice")
    sizing.set_schedule(cold, [], "", "alice")
    row = fresh(cold)
    assert (row.minimum_now, row.minimum, row.target_count) == (None, 0, 2)
    assert not row.windows.exists()


def test_the_clock_brings_another_minimum(cold, rung):
    assert sizing.enforce_minimum(cold, InForce(3, None))
    assert not sizing.enforce_minimum(cold, InForce(3, None))
    assert (cold.minimum, cold.wanted_count) == (3, 3)
    assert story(cold) == [(Reason.RESIZED, "The schedule keeps 3 replicas.", "")]
    assert cold.events.get().data == {"old": 0, "new": 3}
    assert sizing.enforce_minimum(cold, InForce(None, None))
    assert (cold.minimum, cold.wanted_count) == (0, 3)
    assert len(story(cold)) == 1


def test_a_paused_endpoint_takes_a_minimum_and_tells_nothing(cold):
    services.pause(cold, "alice")
    assert sizing.enforce_minimum(cold, InForce(2, None))
    assert [reason for reason, *_ in story(cold)] == [Reason.PAUSED]
    services.resume(cold, "alice")
    assert fresh(cold).wanted_count == 2


def test_nothing_is_told_when_the_change_is_undone(cold, rung):
    with transaction.atomic():
        sizing.wake(cold)
        transaction.set_rollback(True)
    assert fresh(cold).target_count == 0
    assert story(cold) == []
    assert rung == []
