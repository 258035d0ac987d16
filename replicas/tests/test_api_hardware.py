"""REST: tiers and what is free of them."""

import pytest

from endpoints.tests.factories import (
    EndpointFactory,
    MediumTierFactory,
    TierFactory,
    caller,
)
from replicas.states import ReplicaState
from replicas.tests.factories import GpuFactory, ReplicaFactory

pytestmark = pytest.mark.django_db

MEDIUM = {
    "instance_name": "medium",
    "display_name": "Medium (A10)",
    "vcpu": 8.0,
    "ram": 30720,
    "vram": 24,
    "accelerator": "gpu",
    "price": None,
}


@pytest.fixture(autouse=True)
def medium():
    TierFactory()
    return MediumTierFactory()


def tiers(user):
    return {
        t["instance_name"]: t for t in caller(user).get("/v1/instance-types").json()
    }


def test_the_tier_without_a_gpu_is_always_to_be_had(alice):
    assert tiers(alice)["cpu"] == {
        "instance_name": "cpu",
        "display_name": "CPU",
        "vcpu": 2.0,
        "ram": 4096,
        "vram": 0,
        "accelerator": "none",
        "available": True,
        "free": None,
        "total": None,
        "waiting": 0,
        "price": None,
    }


def test_a_tier_is_to_be_had_while_one_of_its_gpus_is_free(alice, bob, medium):
    nothing = {"available": False, "free": 0, "total": 0, "waiting": 0}
    assert tiers(alice)["medium"] == MEDIUM | nothing
    theirs = ReplicaFactory(ready=True, endpoint=EndpointFactory(owner=bob))
    GpuFactory(replica=theirs)
    mine = GpuFactory()
    some = {"available": True, "free": 1, "total": 2, "waiting": 0}
    assert tiers(alice)["medium"] == MEDIUM | some
    mine.replica = ReplicaFactory(ready=True)
    mine.save()
    ReplicaFactory(endpoint=EndpointFactory(tier=medium), state=ReplicaState.WAITING)
    full = {"available": False, "free": 0, "total": 2, "waiting": 1}
    assert tiers(alice)["medium"] == MEDIUM | full


def test_a_tier_has_the_price_that_an_administrator_set(alice, medium):
    medium.price = "1.15"
    medium.save()
    assert tiers(alice)["medium"]["price"] == 1.15
