"""One endpoint whose engine calls hang keeps no other from what it is wished."""

from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from django.db import close_old_connections
from django.utils import timezone

from endpoints.models import Endpoint
from replicas import discovery
from replicas.engine.faults import Fault, Faults
from replicas.engine.faulty import FaultyEngine
from replicas.models import Replica
from replicas.reconciler import loop
from replicas.states import ReplicaState as S
from replicas.tests.house import House
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.valkey]

OTHERS = 20


@pytest.fixture
def house(valkey, monkeypatch, tmp_path):
    faults = Faults(tmp_path / "faults")
    made = House(monkeypatch, lambda fake: FaultyEngine(fake, faults))
    made.faults = faults
    made.has_image()
    yield made
    faults.clear()


@pytest.fixture
def worker(house):
    """As many threads as a worker has."""
    with ThreadPoolExecutor(8) as pool:
        yield pool
        # Or the pool would wait for what hangs.
        house.faults.clear()


def look(endpoint_id):
    try:
        return loop.reconcile(endpoint_id)
    finally:
        close_old_connections()


def swept(worker):
    """A sweep, and the passes that it asks for."""
    asked = []
    loop.sweep(lambda pk: asked.append(worker.submit(look, pk)))
    return asked


def ready():
    rows = Replica.objects.filter(state=S.READY)
    return set(rows.values_list("endpoint_id", flat=True))


def test_twenty_others_become_ready_while_one_hangs(house, worker):
    slow = house.endpoint(name="slow-one")
    others = {house.endpoint().pk for _ in range(OTHERS)}
    house.faults.set(
        *(
            Fault(call, does="hang", about="slow-one", times=None, seconds=600)
            for call in ("observe", "create", "start", "tail", "listening_ports")
        )
    )
    stuck = worker.submit(look, slow.pk)
    # It is the one who hangs: whoever comes after it finds the endpoint taken.
    until(house.faults.struck)
    assert not stuck.done()
    asked = swept(worker)
    _, hang = wait(asked, timeout=60, return_when="ALL_COMPLETED")
    assert not hang
    Replica.objects.filter(state=S.STARTING).update(answered_at=timezone.now())
    wait(swept(worker), timeout=60)
    assert ready() == others
    assert not stuck.done()
    assert {strike.call for strike in house.faults.struck()} == {"observe"}
    assert not discovery.engine_away()
    # It goes on where it was as soon as the engine does.
    house.faults.clear()
    stuck.result(60)
    Replica.objects.filter(state=S.STARTING).update(answered_at=timezone.now())
    wait(swept(worker), timeout=60)
    assert ready() == {*others, slow.pk}


def test_an_engine_that_holds_one_container_is_not_away(house, worker):
    """A look at everything gets no answer: then each endpoint looks after its own."""
    made = {house.endpoint().pk for _ in range(3)}
    house.faults.set(Fault("observe", does="hang", seconds=0.0))
    wait(swept(worker), timeout=60)
    assert not discovery.engine_away()
    states = Replica.objects.values_list("endpoint_id", "state")
    assert set(states) == {(pk, S.STARTING) for pk in made}


def test_an_engine_that_answers_nothing_is_away(house):
    endpoint = house.endpoint()
    house.faults.set(Fault("*", does="hang", times=None, seconds=0.0))
    assert loop.reconcile(endpoint.pk)[0] == pytest.approx(2)
    assert discovery.engine_away()
    assert not Replica.objects.filter(state=S.FAILED).exists()
    house.faults.clear()
    loop.sweep()
    assert not discovery.engine_away()


def test_a_start_that_hangs_fails_with_a_reason_and_is_tried_again(house):
    endpoint = house.endpoint()
    house.faults.set(Fault("start", does="hang", seconds=0.0))
    loop.reconcile(endpoint.pk)
    (replica,) = house.replicas(endpoint)
    assert (replica.state, replica.trouble) == (S.FAILED, "EngineSlow")
    assert "has not answered it" in replica.trouble_text
    Replica.objects.update(retry_at=timezone.now())
    house.settle(endpoint)
    assert house.answer(endpoint) == [S.READY]
    assert len(house.containers()) == 1


def test_a_container_of_nobody_that_hangs_keeps_the_sweep_from_nothing(house, worker):
    """Endpoints are called first, and a second sweep does not wait for it as well."""
    gone, left = house.endpoint(name="gone"), house.endpoint()
    house.up(gone)
    Endpoint.objects.filter(pk=gone.pk).delete()
    house.faults.set(Fault("remove", does="hang", times=None, seconds=600))
    called = []
    first = worker.submit(loop.sweep, called.append)
    while not house.faults.struck():
        assert not first.done()
    assert called == [left.pk]
    assert loop.sweep() == [left.pk]
    house.faults.clear()
    assert first.result(60) == [left.pk]
    assert house.engine.observe({}) == []
