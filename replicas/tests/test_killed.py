"""A worker killed at any step of a start and of a stop: the next look mends it.

Every call that changes something (engine, rows, timeline, ingress) is a step. The
worker dies before the first one, before the second, and so on through all of them.
"""

import itertools

import pytest

from endpoints import services as wishes
from endpoints.models import Endpoint
from replicas import lock, services
from replicas.logs import store
from replicas.models import Replica
from replicas.reconciler import loop
from replicas.states import ReplicaState as S
from replicas.tests.house import House

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.valkey]

# More steps than any start or stop has: the last rounds run through unharmed.
ROUNDS = 60


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


class Fuse:
    """Lets so many steps pass, then kills; `blown` says whether it did."""

    def __init__(self, steps):
        self.left = steps
        self.blown = False

    def step(self):
        if self.blown:
            return
        if self.left == 0:
            self.blown = True
            raise Killed
        self.left -= 1

    def guard(self, monkeypatch, owner, name):
        real = getattr(owner, name)

        def guarded(*args, **kwargs):
            self.step()
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, guarded)


@pytest.fixture
def house(valkey, monkeypatch):
    return House(monkeypatch)


def arm(house, monkeypatch, steps):
    fuse = Fuse(steps)
    for name in ("create", "start", "terminate", "remove"):
        fuse.guard(monkeypatch, house.engine, name)
    for name in ("apply", "forget"):
        fuse.guard(monkeypatch, house.ingress, name)
    for name in ("move", "note", "tell", "tell_once", "free_hardware"):
        fuse.guard(monkeypatch, services, name)
    return fuse


def look(endpoint_id):
    """One look of a worker; a killed one leaves its lock to run out."""
    try:
        loop.reconcile(endpoint_id)
    except Killed:
        from endpoints.valkey import valkey

        valkey().delete(f"alight:lock:{endpoint_id}")
        assert lock.marks(endpoint_id) > 0


@pytest.mark.parametrize("steps", range(0, ROUNDS, 1))
def test_a_start(house, monkeypatch, steps):
    endpoint = house.endpoint()
    house.has_image()
    with monkeypatch.context() as patch:
        fuse = arm(house, patch, steps)
        look(endpoint.pk)
        if not fuse.blown:
            Replica.objects.filter(state=S.STARTING).update(
                answered_at="2026-01-01T00:00Z"
            )
            look(endpoint.pk)
    loop.sweep()
    house.settle(endpoint)
    assert house.answer(endpoint) == [S.READY]
    (replica,) = house.replicas(endpoint)
    assert [c.id for c in house.containers()] == [replica.container_id]
    assert house.lead(endpoint) == [f"{replica.pk}.1"]
    assert endpoint.phase == "ready"
    story = house.story(endpoint)
    assert story[-1] == "ReplicaRunning"
    for reason in ("StartingContainer", "ContainerStarted", "ReplicaRunning"):
        assert story.count(reason) == 1


@pytest.mark.parametrize("steps", range(0, ROUNDS // 2, 1))
def test_a_stop(house, monkeypatch, steps):
    endpoint = house.endpoint()
    house.up(endpoint)
    (replica,) = house.replicas(endpoint)
    wishes.delete(endpoint, "alice")
    with monkeypatch.context() as patch:
        arm(house, patch, steps)
        look(endpoint.pk)
        store.mark_finished(endpoint.pk, replica.pk, 1)
        look(endpoint.pk)
    for _ in itertools.repeat(None, 3):
        loop.sweep()
        loop.reconcile(endpoint.pk)
    assert not Endpoint.objects.exists()
    assert house.engine.observe({}) == []
    assert endpoint.name not in house.ingress.routes
