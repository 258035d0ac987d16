"""Rows for tests: nodes, GPUs and replicas in any state."""

from datetime import timedelta

from django.utils import timezone
from factory import LazyAttribute, LazyFunction, Sequence, SubFactory, Trait
from factory.django import DjangoModelFactory

from endpoints import revisions
from endpoints.tests.factories import EndpointFactory
from replicas.models import Gpu, Node, Replica
from replicas.states import ReplicaState


class NodeFactory(DjangoModelFactory):
    class Meta:
        model = Node
        django_get_or_create = ["name"]

    name = "node-1"
    cores = 8
    memory_mb = 32768
    engine_version = "20.10"
    seen_at = LazyFunction(timezone.now)


class ReplicaFactory(DjangoModelFactory):
    """A waiting replica; `ready=True` is one that has run for a minute."""

    class Meta:
        model = Replica

    class Params:
        ready = Trait(
            state=ReplicaState.READY,
            node=SubFactory(NodeFactory),
            container_id=Sequence(lambda n: f"{n:064x}"),
            address="172.28.0.9",
            started_at=LazyFunction(lambda: timezone.now() - timedelta(seconds=70)),
            answered_at=LazyFunction(lambda: timezone.now() - timedelta(seconds=60)),
            ready_at=LazyFunction(lambda: timezone.now() - timedelta(seconds=60)),
        )

    endpoint = SubFactory(EndpointFactory)
    revision = LazyAttribute(lambda made: revisions.wanted(made.endpoint))
    number = 1


class GpuFactory(DjangoModelFactory):
    class Meta:
        model = Gpu

    uuid = Sequence(lambda n: f"GPU-{n:08d}")
    node = SubFactory(NodeFactory)
    model = "A10"
    memory_gb = 24
