"""Changes move over, broken ones stop, and every revision can be gone back to."""

from dataclasses import replace

import pytest

from endpoints import revisions, services, sizing
from endpoints.models import Event
from endpoints.states import Phase
from endpoints.steps import Reason
from endpoints.tests.factories import MediumTierFactory, TierFactory, UserFactory
from replicas.engine.base import ImageNotFound
from replicas.engine.fake import FakeImage
from replicas.logs import store
from replicas.reconciler import loop
from replicas.runner import fetching
from replicas.states import ReplicaState as S
from replicas.tests.factories import GpuFactory
from replicas.tests.house import House

pytestmark = [pytest.mark.valkey, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def house(valkey, monkeypatch):
    return House(monkeypatch)


@pytest.fixture
def served(house):
    """An endpoint whose first revision runs with two replicas."""
    UserFactory(username="alice")
    endpoint = house.endpoint(min_replicas=2, max_replicas=3, target_count=2)
    house.up(endpoint)
    assert house.states(endpoint) == [S.READY, S.READY]
    return endpoint


def change(endpoint, **fields):
    new = replace(endpoint.container, **fields).to_json()
    services.change(endpoint, "alice", spec=new)
    endpoint.refresh_from_db()


def running(house, endpoint):
    """Revision numbers of what is in traffic."""
    ready = endpoint.replicas.filter(state=S.READY).select_related("revision")
    assert sorted(house.lead(endpoint)) == sorted(f"{r.pk}.{r.attempt}" for r in ready)
    return sorted(r.revision.number for r in ready)


def told(endpoint):
    rows = Event.objects.filter(endpoint=endpoint, replica_id=None)
    return [(e.reason, e.message) for e in rows.order_by("id")]


def test_one_replica_at_a_time_with_the_old_ones_serving(house, served):
    change(served, health_path="/ok")
    seen = []
    for _ in range(4):
        house.settle(served)
        seen.append(running(house, served))
        house.answer(served)
    assert seen[0] == [1, 1]
    assert running(house, served) == [2, 2]
    assert all(len(numbers) >= 2 for numbers in seen)
    assert revisions.wanted(served).settled_at is not None
    assert told(served)[-1][0] == "RolledOut"


def test_the_old_ones_are_not_called_idle(house, served):
    """Though the scaler wrote the last number: another takes their place."""
    assert sizing.resize(served, 3, "Busy.")
    house.settle(served)
    house.answer(served)
    change(served, health_path="/ok")
    for _ in range(6):
        house.settle(served)
        house.answer(served)
    assert running(house, served) == [2, 2, 2]
    assert not served.events.filter(reason=Reason.IDLE).exists()


def test_a_broken_revision_stops_and_the_old_one_serves(house, served):
    change(served, image="lab/none:9")
    house.settle(served)
    (new,) = served.replicas.filter(state=S.PULLING)
    fetching._failed(
        (new.pk, new.attempt), ImageNotFound("The lab answered “not found”.")
    )
    house.settle(served)
    assert running(house, served) == [1, 1]
    assert house.states(served) == [S.READY, S.READY]
    assert told(served)[-1] == (
        "RolloutStopped",
        "The lab answered “not found”. Revision 1 keeps serving.",
    )
    assert revisions.serving(served).number == 1
    # What is added now is of the revision that works.
    services.change(served, "alice", min_replicas=3)
    house.answer(served)
    house.settle(served)
    house.answer(served)
    assert running(house, served) == [1, 1, 1]


def woken_with_a_broken_one(house, monkeypatch):
    """Revision 1 ran, the endpoint sleeps, and a wake starts revision 2, which crashes.
    Returns the endpoint and what its route said since the crash."""
    UserFactory(username="alice")
    endpoint = house.endpoint(min_replicas=0)
    house.up(endpoint)
    assert sizing.sleep(endpoint, "alice")
    house.settle(endpoint)
    end_all(house, endpoint)
    assert house.states(endpoint) == []
    change(endpoint, health_path="/broken")
    assert sizing.wake(endpoint)
    assert house.settle(endpoint) == [S.STARTING]
    said = []
    apply = house.ingress.apply

    def listen(read):
        apply(read)
        said.append(house.ingress.routes[endpoint.name].state)

    monkeypatch.setattr(house.ingress, "apply", listen)
    (new,) = endpoint.replicas.filter(state=S.STARTING)
    house.world.crash(new.container_id)
    house.settle(endpoint)
    return endpoint, said


def test_a_wake_whose_revision_breaks_is_held_for_the_one_that_ran(house, monkeypatch):
    endpoint, said = woken_with_a_broken_one(house, monkeypatch)
    end_all(house, endpoint)
    assert house.states(endpoint) == [S.STARTING]
    assert endpoint.phase == Phase.STARTING
    # Who waits at the URL was never turned away.
    assert set(said) == {"starting"}
    house.answer(endpoint)
    assert running(house, endpoint) == [1]
    # The broken one was not tried again meanwhile.
    assert list(
        endpoint.replicas.filter(revision__number=2).values_list("attempt", "state")
    ) == [(1, S.STOPPED)]


def test_who_breaks_with_nothing_to_fall_back_on_turns_requests_away(house):
    endpoint = house.endpoint(min_replicas=0)
    house.has_image()
    house.settle(endpoint)
    house.world.crash(endpoint.replicas.get().container_id)
    house.settle(endpoint)
    assert house.ingress.routes[endpoint.name].state == "failed"


def test_trying_again_brings_the_new_one(house, served):
    test_a_broken_revision_stops_and_the_old_one_serves(house, served)
    house.world.images["lab/none:9"] = FakeImage(ports=(7860,))
    assert revisions.try_again(served, "alice")
    assert not revisions.try_again(served, "alice")
    for _ in range(8):
        house.settle(served)
        house.answer(served)
    assert running(house, served) == [2, 2, 2]
    assert revisions.wanted(served).settled_at is not None


def test_going_back_to_what_serves_moves_nothing(house, served):
    test_a_broken_revision_stops_and_the_old_one_serves(house, served)
    before = {r.pk for r in house.replicas(served)}
    assert revisions.roll_back(served, 1, "alice")
    assert not revisions.roll_back(served, 1, "alice")
    served.refresh_from_db()
    assert served.container.image == "lab/app:1"
    house.settle(served)
    assert {r.pk for r in house.replicas(served)} == before
    # The next change is a revision of its own, not number 2 again.
    change(served, port=9000)
    assert served.revision == 3


def test_going_back_moves_over_like_any_change(house, served):
    change(served, health_path="/ok")
    for _ in range(4):
        house.settle(served)
        house.answer(served)
    assert running(house, served) == [2, 2]
    revisions.roll_back(served, 1, "alice")
    served.refresh_from_db()
    for _ in range(4):
        house.settle(served)
        house.answer(served)
    assert running(house, served) == [1, 1]


def test_an_old_replica_restarts_as_what_it_was(house, served):
    change(served, port=9000, image="lab/other:1")
    house.settle(served)
    old = served.replicas.filter(revision__number=1).first()
    house.world.crash(old.container_id)
    house.settle(served)
    old.refresh_from_db()
    assert old.state == S.FAILED
    assert old.container.port == 7860
    assert old.revision.number == 1


def test_there_is_no_revision_that_never_was(house, served):
    with pytest.raises(revisions.NoSuchRevision):
        revisions.roll_back(served, 7, "alice")


# --- with GPUs ----------------------------------------------------------------------


def on_gpus(house, count, replicas=1):
    """An endpoint that holds `replicas` of the house's A10s."""
    for _ in range(count):
        GpuFactory(node_id=house.engine.node().name)
    endpoint = house.endpoint(
        tier=MediumTierFactory(),
        min_replicas=replicas,
        max_replicas=replicas,
        target_count=replicas,
    )
    house.up(endpoint)
    assert running(house, endpoint) == [1] * replicas
    return endpoint


def end_all(house, endpoint):
    """Let replicas that stop come to their end."""
    for replica in endpoint.replicas.filter(state=S.STOPPING):
        store.mark_finished(endpoint.pk, replica.pk, replica.attempt)
    house.settle(endpoint)


def test_the_only_gpu_is_handed_over(house):
    endpoint = on_gpus(house, 1)
    change(endpoint, health_path="/ok")
    house.settle(endpoint)
    assert house.states(endpoint) == [S.STOPPING, S.WAITING]
    end_all(house, endpoint)
    house.answer(endpoint)
    assert running(house, endpoint) == [2]


def test_an_old_one_serves_on_while_its_hardware_would_not_help(house):
    """Hardware that is not here, or more of it than giving up the old one frees."""
    endpoint = on_gpus(house, 1)
    nowhere = TierFactory(slug="h100", name="XL", gpu_model="H100", gpus=1)
    services.change(endpoint, "alice", tier=nowhere)
    for _ in range(3):
        house.settle(endpoint)
    assert house.states(endpoint) == [S.READY, S.WAITING]
    pair = MediumTierFactory(slug="pair", gpus=2)
    services.change(endpoint, "alice", tier=pair)
    for _ in range(3):
        house.settle(endpoint)
    assert running(house, endpoint) == [1]
    assert endpoint.replicas.filter(state=S.WAITING).count() == 1


def test_an_old_one_serves_on_while_somebody_else_is_first_in_line(house):
    endpoint = on_gpus(house, 1)
    other = house.endpoint(tier=MediumTierFactory())
    house.settle(other)
    change(endpoint, health_path="/ok")
    house.settle(endpoint)
    assert house.states(endpoint) == [S.READY, S.WAITING]


def test_two_old_ones_go_for_one_that_needs_both(house):
    endpoint = on_gpus(house, 2, replicas=2)
    services.change(endpoint, "alice", tier=MediumTierFactory(slug="pair", gpus=2))
    house.settle(endpoint)
    assert house.states(endpoint).count(S.STOPPING) == 2
    end_all(house, endpoint)
    house.answer(endpoint)
    assert running(house, endpoint) == [2]


def test_one_in_line_does_not_stand_in_the_way_of_the_change(house):
    """One GPU, two wanted: one runs, one waits. The change goes on with one GPU."""
    endpoint = on_gpus(house, 1)
    services.change(endpoint, "alice", min_replicas=2, max_replicas=2)
    endpoint.refresh_from_db()
    house.settle(endpoint)
    assert house.states(endpoint) == [S.READY, S.WAITING]
    change(endpoint, health_path="/ok")
    for _ in range(3):
        house.settle(endpoint)
        end_all(house, endpoint)
        house.answer(endpoint)
    assert running(house, endpoint) == [2]


def test_one_old_one_serves_while_one_of_two_gpus_is_enough(house):
    endpoint = on_gpus(house, 2, replicas=2)
    services.change(endpoint, "alice", min_replicas=3, max_replicas=3)
    endpoint.refresh_from_db()
    house.settle(endpoint)
    change(endpoint, health_path="/ok")
    house.settle(endpoint)
    assert running(house, endpoint) == [1]
    for _ in range(4):
        end_all(house, endpoint)
        house.answer(endpoint)
        house.settle(endpoint)
    assert running(house, endpoint) == [2, 2]


def test_more_replicas_and_another_container_at_once_on_one_gpu(house):
    endpoint = on_gpus(house, 1)
    new = replace(endpoint.container, health_path="/ok").to_json()
    services.change(endpoint, "alice", spec=new, min_replicas=3, max_replicas=3)
    endpoint.refresh_from_db()
    for _ in range(3):
        house.settle(endpoint)
        end_all(house, endpoint)
        house.answer(endpoint)
    assert running(house, endpoint) == [2]


def test_one_that_serves_on_the_gpus_there_are_is_not_rolled_back(house):
    """Two GPUs, three wanted: the new one settles, and a crash later is a crash."""
    endpoint = on_gpus(house, 2, replicas=2)
    services.change(endpoint, "alice", min_replicas=1, max_replicas=3)
    assert sizing.resize(endpoint, 3, "Busy.")
    change(endpoint, health_path="/ok")
    for _ in range(5):
        house.settle(endpoint)
        end_all(house, endpoint)
        house.answer(endpoint)
    assert running(house, endpoint) == [2, 2]
    assert house.states(endpoint).count(S.WAITING) == 1
    assert revisions.wanted(endpoint).settled_at is not None
    for replica in endpoint.replicas.filter(state=S.READY):
        house.world.crash(replica.container_id)
    house.settle(endpoint)
    assert revisions.wanted(endpoint).failed_at is None
    assert revisions.serving(endpoint).number == 2


def test_whose_turn_it_is_to_give_up_an_old_one_is_called_by_the_sweep(house):
    endpoint = on_gpus(house, 1)
    other = house.endpoint(tier=MediumTierFactory())
    house.settle(other)
    change(endpoint, health_path="/ok")
    house.settle(endpoint)
    services.delete(other, "alice")
    loop.reconcile(other.pk)
    assert endpoint.pk in loop.sweep()
    house.settle(endpoint)
    assert house.states(endpoint) == [S.STOPPING, S.WAITING]


def test_after_going_back_a_broken_change_falls_back_to_that(house, served):
    change(served, health_path="/ok")
    for _ in range(4):
        house.settle(served)
        house.answer(served)
    revisions.roll_back(served, 1, "alice")
    served.refresh_from_db()
    for _ in range(4):
        house.settle(served)
        house.answer(served)
    assert running(house, served) == [1, 1]
    change(served, image="lab/none:9")
    house.settle(served)
    (new,) = served.replicas.filter(state=S.PULLING)
    fetching._failed((new.pk, new.attempt), ImageNotFound("Not found."))
    house.settle(served)
    assert revisions.serving(served).number == 1
    assert running(house, served) == [1, 1]
