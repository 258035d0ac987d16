"""Hardware is booked once, however many ask for it in the same moment."""

import pytest
from django.db import transaction

from endpoints.tests.factories import EndpointFactory, MediumTierFactory, TierFactory
from replicas import booking, services
from replicas.models import Gpu, Replica
from replicas.states import ReplicaState as S
from replicas.tests.factories import GpuFactory, NodeFactory, ReplicaFactory
from tests.together import all_at_once, raised

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.valkey]

ASKERS, FREE = 12, 5


@pytest.fixture(autouse=True)
def valkey_there(valkey):
    """A move tells open pages."""


def waiting(gpus=1):
    tier = MediumTierFactory(slug=f"a10x{gpus}", gpus=gpus)
    return ReplicaFactory(endpoint=EndpointFactory(tier=tier))


def assign(pk):
    """As the reconciler does it: booked and moved in one transaction."""
    with transaction.atomic():
        replica = Replica.objects.select_related("revision__tier").get(pk=pk)
        place = booking.book(replica, replica.tier)
        if place.node is not None and replica.state == S.WAITING:
            services.move(replica, S.ASSIGNED, node=place.node)
    return place


def test_many_askers_at_once_get_one_each_and_the_first_ones_do():
    for _ in range(FREE):
        GpuFactory()
    askers = [waiting() for _ in range(ASKERS)]
    told = all_at_once([lambda pk=one.pk: assign(pk) for one in reversed(askers)])
    assert raised(told) == []
    holders = sorted(Gpu.objects.values_list("replica_id", flat=True))
    assert holders == [one.pk for one in askers[:FREE]]
    states = list(Replica.objects.order_by("pk").values_list("state", flat=True))
    assert states == [S.ASSIGNED] * FREE + [S.WAITING] * (ASKERS - FREE)


def test_one_who_asks_many_times_at_once_gets_it_once():
    for _ in range(FREE):
        GpuFactory()
    asker = waiting(gpus=2)
    assert raised(all_at_once([lambda: assign(asker.pk)] * 6)) == []
    assert Gpu.objects.filter(replica=asker).count() == 2
    assert Gpu.objects.filter(replica=None).count() == FREE - 2


def test_who_has_its_hardware_keeps_it_when_it_asks_again():
    gpu = GpuFactory()
    asker = waiting()
    first = assign(asker.pk)
    again = assign(asker.pk)
    assert first.gpus == again.gpus == (gpu,)
    assert again.node == gpu.node


def test_it_is_given_nothing_that_is_gone_or_on_a_node_that_is_away():
    GpuFactory(present=False)
    away = NodeFactory(name="away", unreachable_since="2026-11-22T12:00Z")
    GpuFactory(node=away)
    place = assign(waiting().pk)
    assert place.node is None
    assert (place.standing.free, place.standing.total) == (0, 1)


def test_without_a_gpu_there_is_nothing_to_book():
    node = NodeFactory()
    GpuFactory(node=node)
    endpoint = EndpointFactory(tier=TierFactory())
    place = assign(ReplicaFactory(endpoint=endpoint).pk)
    assert (place.node, place.gpus) == (node, ())
    assert Gpu.objects.get().replica is None


def test_the_revisions_tier_counts_and_not_the_endpoints_newest():
    GpuFactory()
    replica = waiting()
    replica.endpoint.tier = TierFactory()
    replica.endpoint.save()
    assert len(assign(replica.pk).gpus) == 1
