"""A house in memory: fake engine and ingress, a real Valkey and database.

Tests act as the runner does: `settle` reconciles, `fetch` brings the image, `answer`
is a probe that got through.
"""

from django.utils import timezone

from endpoints.ingress import get_ingress
from endpoints.ingress.fake import FakeIngress
from endpoints.models import Event
from endpoints.tests.factories import EndpointFactory, spec
from replicas import discovery
from replicas.engine import get_engine
from replicas.engine.fake import FakeEngine, FakeImage, World
from replicas.models import Replica
from replicas.reconciler import loop
from replicas.states import ReplicaState as S


class House:
    def __init__(self, monkeypatch, before=None):
        """before: puts another engine before the fake one."""
        self.world = World()
        self.engine = FakeEngine(self.world)
        if before is not None:
            self.engine = before(self.engine)
        self.ingress = FakeIngress()
        for name, fake in (
            ("replicas.reconciler.observe.get_engine", self.engine),
            ("replicas.reconciler.execute.get_engine", self.engine),
            ("replicas.reconciler.launch.get_engine", self.engine),
            ("replicas.reconciler.loop.get_engine", self.engine),
            ("replicas.ports.get_engine", self.engine),
            ("replicas.runner.volumes.get_engine", self.engine),
        ):
            monkeypatch.setattr(name, lambda fake=fake: fake)
        for name in ("observe", "launch", "loop"):
            monkeypatch.setattr(
                f"replicas.reconciler.{name}.get_ingress", lambda: self.ingress
            )
        assert get_engine is not None
        assert get_ingress is not None
        self.world.publish("lab/app:1", FakeImage(ports=(7860,)))
        discovery.refresh(self.engine)

    def has_image(self, reference="lab/app:1", **facts):
        self.world.images[reference] = FakeImage(ports=(7860,), **facts)

    def endpoint(self, **fields):
        return EndpointFactory(spec=spec().to_json(), **fields)

    def settle(self, endpoint):
        loop.reconcile(endpoint.pk)
        endpoint.refresh_from_db()
        return self.states(endpoint)

    def states(self, endpoint):
        return [r.state for r in self.replicas(endpoint)]

    def replicas(self, endpoint):
        return list(endpoint.replicas.alive().order_by("number"))

    def answer(self, endpoint):
        """What the prober writes when a starting replica answers."""
        endpoint.replicas.filter(state=S.STARTING, answered_at=None).update(
            answered_at=timezone.now()
        )
        return self.settle(endpoint)

    def up(self, endpoint):
        """Bring it all the way to ready."""
        self.has_image()
        self.settle(endpoint)
        return self.answer(endpoint)

    def lead(self, endpoint):
        """Upstream keys the ingress leads this endpoint's host to."""
        route = self.ingress.routes.get(endpoint.name)
        return [upstream.key for upstream in route.upstreams] if route else None

    def story(self, endpoint, number=None):
        events = Event.objects.filter(endpoint=endpoint).exclude(replica_id=None)
        if number is not None:
            ids = Replica.objects.filter(endpoint=endpoint, number=number)
            events = events.filter(replica_id__in=ids.values("pk"))
        return [event.reason for event in events]

    def containers(self):
        return [c for c in self.engine.observe({}) if c.running]
