"""An endpoint's life through the reconciler, on the fake engine and ingress."""

from datetime import timedelta

import pytest
from django.utils import timezone

from endpoints import live
from endpoints import services as wishes
from endpoints.models import Endpoint
from endpoints.states import Phase
from endpoints.steps import Reason
from endpoints.tests.factories import MediumTierFactory
from replicas import routing, services
from replicas.engine.base import EngineRefused
from replicas.engine.errors import translate
from replicas.models import Gpu, Replica
from replicas.reconciler import loop, words
from replicas.runner import fetching
from replicas.states import ReplicaState as S
from replicas.tests.factories import GpuFactory
from replicas.tests.house import House

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.valkey]


@pytest.fixture
def house(valkey, monkeypatch):
    return House(monkeypatch)


def test_a_first_start_waits_for_its_image(house):
    endpoint = house.endpoint()
    assert house.settle(endpoint) == [S.PULLING]
    assert endpoint.phase == Phase.STARTING
    assert house.story(endpoint) == [
        "WaitingForHardware",
        "HardwareAssigned",
        "PullingImage",
    ]


def test_it_is_ready_once_it_answered_and_not_before(house):
    endpoint = house.endpoint()
    house.has_image()
    assert house.settle(endpoint) == [S.STARTING]
    assert house.lead(endpoint) == []
    assert house.answer(endpoint) == [S.READY]
    (replica,) = house.replicas(endpoint)
    assert house.lead(endpoint) == [f"{replica.pk}.1"]
    assert endpoint.phase == Phase.READY
    assert endpoint.ready_count == 1
    assert house.story(endpoint) == [
        "WaitingForHardware",
        "HardwareAssigned",
        "ImageAlreadyThere",
        "StartingContainer",
        "ContainerStarted",
        "WaitingForPort",
        "PortAnswered",
        "ReplicaRunning",
    ]


def lead_when_told(house, endpoint, monkeypatch, reason):
    """Where the endpoint led at the moment this was told of its replica."""
    tell, seen = services.tell, []

    def telling(replica, told, *rest, **more):
        if told == reason:
            seen.append(house.lead(endpoint))
        return tell(replica, told, *rest, **more)

    monkeypatch.setattr(services, "tell", telling)
    return seen


def test_its_url_answers_before_anybody_reads_that_it_is_ready(house, monkeypatch):
    endpoint = house.endpoint()
    seen = lead_when_told(house, endpoint, monkeypatch, Reason.RUNNING)
    house.up(endpoint)
    (replica,) = house.replicas(endpoint)
    assert seen == [[f"{replica.pk}.1"]]


def test_a_sweep_meanwhile_does_not_take_the_route_back(house, monkeypatch):
    endpoint = house.endpoint()
    house.has_image()
    assert house.settle(endpoint) == [S.STARTING]
    move, seen = services.move, []

    def moving(replica, state, **values):
        # The row still has the old state, which is all another thread can read.
        house.ingress.sync(routing.all_routes)
        seen.append((state, house.lead(endpoint)))
        return move(replica, state, **values)

    monkeypatch.setattr(services, "move", moving)
    assert house.answer(endpoint) == [S.READY]
    (replica,) = house.replicas(endpoint)
    assert seen == [(S.READY, [f"{replica.pk}.1"])]


def test_its_url_answers_before_anybody_reads_that_it_answers_again(house, monkeypatch):
    endpoint = house.endpoint()
    house.up(endpoint)
    (replica,) = house.replicas(endpoint)
    Replica.objects.update(silent_since=timezone.now())
    assert house.settle(endpoint) == [S.UNHEALTHY]
    seen = lead_when_told(house, endpoint, monkeypatch, Reason.ANSWERING)
    Replica.objects.update(silent_since=None)
    assert house.settle(endpoint) == [S.READY]
    assert seen == [[f"{replica.pk}.1"]]


def test_its_url_leads_there_before_anybody_reads_that_it_is_needed_again(
    house, monkeypatch
):
    endpoint = house.endpoint(min_replicas=0, max_replicas=2, target_count=2)
    house.up(endpoint)
    first, second = (f"{replica.pk}.1" for replica in house.replicas(endpoint))
    # Each goes on with what it was sent; one of them would end after that.
    assert {house.ingress.begin(endpoint.name) for _ in "ab"} == {first, second}
    Endpoint.objects.update(target_count=1)
    assert house.settle(endpoint) == [S.READY, S.STOPPING]
    assert house.lead(endpoint) == [first]
    seen = lead_when_told(house, endpoint, monkeypatch, Reason.CALLED_BACK)
    Endpoint.objects.update(target_count=2)
    assert house.settle(endpoint) == [S.READY, S.READY]
    assert seen == [[first, second]]


def test_a_second_look_changes_nothing(house):
    endpoint = house.endpoint()
    house.up(endpoint)
    story = house.story(endpoint)
    assert house.settle(endpoint) == [S.READY]
    assert house.story(endpoint) == story


def test_it_keeps_the_minimum(house):
    endpoint = house.endpoint(min_replicas=3, max_replicas=4, target_count=3)
    assert house.up(endpoint) == [S.READY] * 3
    assert len(house.lead(endpoint)) == 3


def test_a_crashed_replica_is_kept_out_of_traffic_and_tried_again(house):
    endpoint = house.endpoint()
    house.up(endpoint)
    (replica,) = house.replicas(endpoint)
    house.world.crash(replica.container_id, code=3)
    assert house.settle(endpoint) == [S.FAILED]
    assert house.lead(endpoint) == []
    assert endpoint.phase == Phase.FAILED
    replica.refresh_from_db()
    assert replica.failures == 1
    assert replica.exit_code == 3
    assert house.story(endpoint)[-2:] == ["ContainerExited", "WaitingToRestart"]


def test_the_next_attempt_has_a_container_of_its_own(house):
    endpoint = house.endpoint()
    house.up(endpoint)
    (replica,) = house.replicas(endpoint)
    house.world.crash(replica.container_id, code=3)
    house.settle(endpoint)
    Replica.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
    from replicas.logs import store

    store.mark_finished(endpoint.pk, replica.pk, 1)
    assert house.settle(endpoint) == [S.STARTING]
    assert house.answer(endpoint) == [S.READY]
    again = Replica.objects.get(pk=replica.pk)
    assert again.attempt == 2
    assert again.container_id != replica.container_id
    assert house.lead(endpoint) == [f"{replica.pk}.2"]
    assert len(house.engine.observe({})) == 1


def test_a_clean_exit_is_said_so_and_backs_off_all_the_same(house):
    endpoint = house.endpoint()
    house.up(endpoint)
    (replica,) = house.replicas(endpoint)
    Replica.objects.update(failures=2)
    house.world.crash(replica.container_id, code=0)
    house.settle(endpoint)
    replica.refresh_from_db()
    assert replica.trouble == "Ended"
    assert replica.trouble_text.startswith("It ended by itself.")
    assert "ContainerEnded" in house.story(endpoint)
    assert replica.failures == 3
    # Its move is noted a moment after its wait began.
    assert 20 < (replica.retry_at - replica.since).total_seconds() <= 40


def test_a_container_removed_by_hand_is_replaced(house):
    endpoint = house.endpoint()
    house.up(endpoint)
    house.world.vanish(house.replicas(endpoint)[0].container_id)
    assert house.settle(endpoint) == [S.FAILED]
    assert "ContainerGone" in house.story(endpoint)


def test_pause_drains_stops_and_resume_starts_anew(house):
    endpoint = house.endpoint()
    house.up(endpoint)
    assert wishes.pause(endpoint, "alice")
    # Nobody reads the log here: the exited container waits for its reader.
    assert house.settle(endpoint) == [S.STOPPING]
    from replicas.logs import store

    store.mark_finished(endpoint.pk, endpoint.replicas.get().pk, 1)
    assert house.settle(endpoint) == []
    assert endpoint.phase == Phase.PAUSED
    assert house.ingress.routes[endpoint.name].state == "paused"
    assert house.engine.observe({}) == []
    assert wishes.resume(endpoint, "alice")
    assert house.settle(endpoint) == [S.STARTING]


def test_open_requests_hold_a_stop_back(house):
    endpoint = house.endpoint()
    house.up(endpoint)
    key = house.ingress.begin(endpoint.name)
    wishes.pause(endpoint, "alice")
    assert house.settle(endpoint) == [S.STOPPING]
    assert len(house.containers()) == 1
    house.ingress.end(endpoint.name, key)
    house.settle(endpoint)
    assert house.containers() == []


def test_delete_takes_everything_with_it_but_only_at_the_end(house):
    endpoint = house.endpoint()
    house.up(endpoint)
    wishes.delete(endpoint, "alice")
    loop.reconcile(endpoint.pk)
    assert endpoint.name not in house.ingress.routes
    assert Endpoint.objects.filter(pk=endpoint.pk).exists()
    from replicas.logs import store

    store.mark_finished(endpoint.pk, Replica.objects.get().pk, 1)
    loop.reconcile(endpoint.pk)
    assert not Endpoint.objects.exists()
    assert house.engine.observe({}) == []


def test_pages_are_told_of_the_end(house, monkeypatch):
    from replicas.logs import store

    endpoint = house.endpoint()
    house.up(endpoint)
    wishes.delete(endpoint, "alice")
    loop.reconcile(endpoint.pk)
    store.mark_finished(endpoint.pk, Replica.objects.get().pk, 1)
    told = []
    monkeypatch.setattr(live, "changed", lambda *ids: told.append(ids))
    loop.reconcile(endpoint.pk)
    assert not Endpoint.objects.exists()
    assert told[-1] == (endpoint.pk, endpoint.owner_id)


def test_while_the_engine_is_away_nothing_is_called_a_failure(house):
    endpoint = house.endpoint()
    house.up(endpoint)
    house.world.go_down()
    again, _ = loop.reconcile(endpoint.pk)
    assert again is not None
    assert house.states(endpoint) == [S.READY]
    house.world.come_back()
    assert house.settle(endpoint) == [S.READY]


def test_what_the_engine_refuses_is_said_in_its_words(house, monkeypatch):
    endpoint = house.endpoint()
    house.has_image()

    def refuse(wanted):
        raise EngineRefused("The engine says no.")

    monkeypatch.setattr(house.engine, "create", refuse)
    assert house.settle(endpoint) == [S.FAILED]
    (replica,) = house.replicas(endpoint)
    assert replica.trouble_text == "The engine says no."
    assert "ContainerNotStarted" in house.story(endpoint)


def test_a_container_that_its_killed_engine_cannot_start_is_replaced(
    house, monkeypatch
):
    endpoint = house.endpoint()
    house.has_image()

    def refuse(container_id):
        raise translate(500, "id already in use")

    monkeypatch.setattr(house.engine, "start", refuse)
    assert house.settle(endpoint) == [S.FAILED]
    (replica,) = house.replicas(endpoint)
    assert replica.trouble_text.startswith("The Docker engine was killed while")
    assert house.engine.observe({}) == []
    monkeypatch.delattr(house.engine, "start")
    Replica.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
    assert house.settle(endpoint) == [S.STARTING]
    (again,) = house.engine.observe({})
    assert again.id != replica.container_id


def test_an_image_that_cannot_be_had_fails_the_attempt(house):
    endpoint = house.endpoint()
    house.settle(endpoint)
    (replica,) = house.replicas(endpoint)
    fetching._failed((replica.pk, 1), EngineRefused("There is no such image."))
    assert house.settle(endpoint) == [S.FAILED]
    (replica,) = house.replicas(endpoint)
    assert replica.trouble_text == "There is no such image."
    assert replica.retry_at is not None


def test_a_restart_brings_a_successor_before_the_old_one_ends(house, alice):
    endpoint = house.endpoint()
    house.up(endpoint)
    (old,) = house.replicas(endpoint)
    assert services.restart(old, alice)
    assert not services.restart(old, alice)
    assert house.settle(endpoint) == [S.READY, S.STARTING]
    assert house.lead(endpoint) == [f"{old.pk}.1"]
    house.answer(endpoint)
    states = {r.number: r.state for r in house.replicas(endpoint)}
    assert states == {1: S.STOPPING, 2: S.READY}
    assert len(house.lead(endpoint)) == 1


def test_a_changed_container_moves_over(house):
    endpoint = house.endpoint()
    house.up(endpoint)
    spec = endpoint.container
    from dataclasses import replace

    wishes.change(endpoint, "alice", spec=replace(spec, health_path="/ok").to_json())
    assert house.settle(endpoint) == [S.READY, S.STARTING]
    house.answer(endpoint)
    assert [r.revision.number for r in endpoint.replicas.filter(state=S.READY)] == [2]


# --- its address ---------------------------------------------------------------


def test_one_that_lost_its_address_is_replaced_and_says_so(house):
    endpoint = house.endpoint()
    house.up(endpoint)
    (replica,) = house.replicas(endpoint)
    house.world.take_from_network(replica.container_id)
    assert loop.sweep() == [endpoint.pk]
    assert house.settle(endpoint) == [S.FAILED]
    assert house.lead(endpoint) == []
    replica.refresh_from_db()
    assert replica.trouble == "AddressLost"
    assert replica.trouble_text == words.NO_ADDRESS
    assert replica.retry_at is not None


# As `docker restart` does, and nobody heard of it.
RESTARTED = [
    {"address": "10.213.0.99"},
    {"later": timedelta(hours=1)},
]


def restarted_unheard(house, replica, *, later=None, **facts):
    if later is not None:
        facts["started_at"] = timezone.now() + later
    for name, value in facts.items():
        setattr(house.world.containers[replica.container_id], name, value)


@pytest.mark.parametrize("facts", RESTARTED)
def test_one_that_was_restarted_gets_requests_once_it_answers_again(house, facts):
    endpoint = house.endpoint()
    house.up(endpoint)
    (replica,) = house.replicas(endpoint)
    restarted_unheard(house, replica, **facts)
    assert loop.sweep() == [endpoint.pk]
    assert house.settle(endpoint) == [S.UNHEALTHY]
    assert house.lead(endpoint) == []
    told = endpoint.events.get(reason="NotAnswering")
    assert told.message.startswith("Its container was restarted.")
    # It is asked for as long as any other that does not answer.
    assert house.settle(endpoint) == [S.UNHEALTHY]
    # What the prober writes.
    Replica.objects.update(silent_since=None)
    assert house.settle(endpoint) == [S.READY]
    (way,) = house.ingress.routes[endpoint.name].upstreams
    assert way.address == facts.get("address", replica.address)


def test_one_that_was_restarted_while_silent_has_its_time_to_answer(house):
    endpoint = house.endpoint()
    house.up(endpoint)
    (replica,) = house.replicas(endpoint)
    long_ago = timezone.now() - timedelta(seconds=90)
    Replica.objects.update(silent_since=long_ago)
    assert house.settle(endpoint) == [S.UNHEALTHY]
    Replica.objects.update(trouble="ContainerPaused", trouble_text=words.PAUSED)
    restarted_unheard(house, replica, address="10.213.0.99")
    assert house.settle(endpoint) == [S.UNHEALTHY]
    replica.refresh_from_db()
    assert (replica.address, replica.trouble) == ("10.213.0.99", "")
    assert replica.silent_since > long_ago + timedelta(seconds=60)


def test_an_answer_from_before_a_restart_makes_nothing_ready(house):
    endpoint = house.endpoint()
    house.has_image()
    assert house.settle(endpoint) == [S.STARTING]
    (replica,) = house.replicas(endpoint)
    restarted_unheard(house, replica, address="10.213.0.99")
    assert house.answer(endpoint) == [S.STARTING]
    replica.refresh_from_db()
    assert (replica.address, replica.answered_at) == ("10.213.0.99", None)
    assert house.answer(endpoint) == [S.READY]


# --- hardware ------------------------------------------------------------------


def test_without_its_gpu_it_waits_and_says_why(house):
    endpoint = house.endpoint(tier=MediumTierFactory())
    assert house.settle(endpoint) == [S.WAITING]
    (replica,) = house.replicas(endpoint)
    assert "there is none here" in replica.trouble_text


def test_one_gpu_has_one_owner_and_the_others_wait_in_line(house):
    node = house.engine.node().name
    GpuFactory(node_id=node)
    tier = MediumTierFactory()
    house.has_image()
    first, second, third = (house.endpoint(tier=tier) for _ in range(3))
    assert house.settle(first) == [S.STARTING]
    assert house.settle(second) == [S.WAITING]
    assert house.settle(third) == [S.WAITING]
    text = house.replicas(third)[0].trouble_text
    assert text == "No A10 is free. This replica is 2nd in line."


def test_a_gpu_is_free_only_once_its_container_is_gone(house):
    node = house.engine.node().name
    gpu = GpuFactory(node_id=node)
    tier = MediumTierFactory()
    house.has_image()
    first, second = (house.endpoint(tier=tier) for _ in range(2))
    house.settle(first)
    house.settle(second)
    wishes.delete(first, "alice")
    loop.reconcile(first.pk)
    gpu.refresh_from_db()
    assert gpu.replica is not None
    from replicas.logs import store

    store.mark_finished(first.pk, gpu.replica_id, 1)
    _, others = loop.reconcile(first.pk)
    assert others == [second.pk]
    assert house.settle(second) == [S.STARTING]
    assert Gpu.objects.get().replica.endpoint == second


# --- the sweep -----------------------------------------------------------------


def test_a_settled_house_gives_the_sweep_nothing_to_do(house):
    endpoint = house.endpoint()
    house.up(endpoint)
    assert loop.sweep() == []


def test_the_sweep_finds_what_nobody_told(house):
    endpoint = house.endpoint()
    house.up(endpoint)
    house.world.crash(house.replicas(endpoint)[0].container_id)
    assert loop.sweep() == [endpoint.pk]


def test_the_sweep_removes_our_containers_that_no_endpoint_knows(house):
    endpoint = house.endpoint()
    house.up(endpoint)
    Endpoint.objects.all().delete()
    loop.sweep()
    assert house.engine.observe({}) == []


def test_the_sweep_brings_the_routes_back_after_the_ingress_lost_them(house):
    endpoint = house.endpoint()
    house.up(endpoint)
    lead = house.lead(endpoint)
    house.ingress.routes.clear()
    loop.sweep()
    assert house.lead(endpoint) == lead


def test_an_absent_ingress_holds_ready_back(house):
    endpoint = house.endpoint()
    house.has_image()
    house.settle(endpoint)
    house.ingress.reachable = False
    assert house.answer(endpoint) == [S.STARTING]
    house.ingress.reachable = True
    assert house.settle(endpoint) == [S.READY]
