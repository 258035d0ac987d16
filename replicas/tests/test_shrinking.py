"""Fewer replicas: the least busy goes, nobody is cut off, and what is needed again
comes back."""

from datetime import timedelta

import pytest
from django.utils import timezone

from endpoints import services as wishes
from endpoints import sizing
from endpoints.models import Endpoint
from endpoints.states import Phase
from endpoints.steps import Reason
from replicas.models import Replica
from replicas.reconciler import loop
from replicas.states import ReplicaState as S
from replicas.tests.house import House

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.valkey]


@pytest.fixture
def house(valkey, monkeypatch):
    return House(monkeypatch)


@pytest.fixture
def three(house):
    """Three serve; one request is open at the second, two at each of the others."""
    endpoint = house.endpoint(min_replicas=0, max_replicas=8, target_count=3)
    assert house.up(endpoint) == [S.READY] * 3
    for _ in range(3):
        house.ingress.begin(endpoint.name)
    first, _, third = house.lead(endpoint)
    route = house.ingress.routes[endpoint.name]
    for key in (first, third):
        house.ingress._open[endpoint.name, key] += 1
    assert route.upstreams[1].key not in (first, third)
    return endpoint


def aim(endpoint, count):
    Endpoint.objects.filter(pk=endpoint.pk).update(target_count=count)


def since(endpoint, seconds):
    """As if replicas on their way out had been so for this long."""
    rows = Replica.objects.filter(endpoint=endpoint, state=S.STOPPING)
    rows.update(since=timezone.now() - timedelta(seconds=seconds))


def test_the_least_busy_one_goes_and_finishes_first(house, three):
    aim(three, 2)
    assert house.settle(three) == [S.READY, S.STOPPING, S.READY]
    assert len(house.lead(three)) == 2
    since(three, 600)
    assert house.settle(three) == [S.READY, S.STOPPING, S.READY]
    assert len(house.containers()) == 3
    leaver = Replica.objects.get(state=S.STOPPING)
    house.ingress.end(three.name, f"{leaver.pk}.1")
    house.settle(three)
    assert len(house.containers()) == 2
    assert "RequestsFinished" in house.story(three, 2)


def test_a_socket_that_stays_open_is_waited_for_only_so_long(house, three, settings):
    settings.ALIGHT_SHRINK_SECONDS = 900
    aim(three, 2)
    house.settle(three)
    since(three, 900)
    house.settle(three)
    assert len(house.containers()) == 2


def test_pause_has_less_patience(house, three, settings):
    settings.ALIGHT_DRAIN_SECONDS = 20
    wishes.pause(three, "alice")
    assert house.settle(three) == [S.STOPPING] * 3
    since(three, 20)
    house.settle(three)
    assert house.containers() == []


def test_what_is_needed_again_comes_back_with_its_requests(house, three):
    aim(three, 1)
    house.settle(three)
    assert house.states(three).count(S.STOPPING) == 2
    ids = {c.id for c in house.containers()}
    aim(three, 3)
    assert house.settle(three) == [S.READY] * 3
    assert {c.id for c in house.containers()} == ids
    assert len(house.lead(three)) == 3
    assert house.story(three, 2)[-2:] == ["FinishingRequests", "ServingAgain"]


def test_a_wake_that_meets_a_stop_costs_no_start(house):
    endpoint = house.endpoint(min_replicas=0)
    house.up(endpoint)
    key = house.ingress.begin(endpoint.name)
    sizing.sleep(endpoint, "alice")
    assert house.settle(endpoint) == [S.STOPPING]
    assert endpoint.phase == Phase.STOPPING
    assert house.ingress.routes[endpoint.name].state == "idle"
    assert sizing.wake(endpoint)
    assert house.settle(endpoint) == [S.READY]
    assert house.lead(endpoint) == [key]
    assert len(house.containers()) == 1


def test_who_is_idle_says_so_and_who_was_sent_to_sleep_does_not(house):
    told = {}
    for name, stop in (
        ("idle", lambda e: sizing.resize(e, 0, "No requests.", reason=Reason.SLEPT)),
        ("asked", lambda e: sizing.sleep(e, "alice")),
        ("paused", lambda e: wishes.pause(e, "alice")),
        (
            "deleted",
            lambda e: sizing.resize(e, 2, "Busy.") and wishes.delete(e, "alice"),
        ),
    ):
        endpoint = house.endpoint(min_replicas=0, max_replicas=2, idle_timeout=600)
        house.up(endpoint)
        assert stop(endpoint)
        house.settle(endpoint)
        told[name] = [
            e.message
            for e in endpoint.events.filter(reason=Reason.IDLE, replica_id__gt=0)
        ]
    assert told == {
        "idle": ["Not needed for 10 min."],
        "asked": [],
        "paused": [],
        "deleted": [],
    }


def test_a_wake_after_it_was_asked_to_end_starts_another(house):
    endpoint = house.endpoint(min_replicas=0)
    house.up(endpoint)
    sizing.sleep(endpoint, "alice")
    assert house.settle(endpoint) == [S.STOPPING]
    assert sizing.wake(endpoint)
    assert house.settle(endpoint) == [S.STOPPING, S.STARTING]
    assert house.ingress.routes[endpoint.name].state == "starting"
    assert house.answer(endpoint) == [S.STOPPING, S.READY]


def test_the_ingress_away_keeps_a_called_back_one_out_of_ready(house, three):
    aim(three, 2)
    house.settle(three)
    aim(three, 3)
    house.ingress.reachable = False
    again, _ = loop.reconcile(three.pk)
    assert again is not None
    assert house.states(three) == [S.READY, S.STOPPING, S.READY]
    house.ingress.reachable = True
    assert house.settle(three) == [S.READY] * 3
