"""Scenes of an endpoint's life, driven round by round until they are over.

A round is what a worker does within one sweep: look at everything, fetch images, probe,
read logs. Whatever struck it, the same things hold after every round and at the end.
"""

import asyncio
import itertools
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from django.utils import timezone

from endpoints import services as wishes
from endpoints.models import Endpoint, Event
from endpoints.steps import Reason
from endpoints.tests.factories import MediumTierFactory, spec
from replicas.engine import names
from replicas.engine.base import EngineError, EngineUnreachable, FoundGpu
from replicas.engine.fake import FakeStreams
from replicas.logs import store
from replicas.models import Gpu, Replica
from replicas.reconciler import loop
from replicas.runner import fetching
from replicas.states import ReplicaState as S

# How an attempt ends; each has one of these at most.
ENDINGS = {
    Reason.EXITED,
    Reason.ENDED,
    Reason.GONE,
    Reason.START_TIMEOUT,
    Reason.IMAGE_FAILED,
    Reason.START_FAILED,
    Reason.FAILED,
}
ONCE = {Reason.CREATING, Reason.STARTED, Reason.RUNNING, Reason.STOPPED, *ENDINGS}
GPU = FoundGpu("GPU-1", "A10", 24)
_LONG = timedelta(days=1)
# Rounds in which everything is over, whatever struck.
ENOUGH = 14


@dataclass
class Scene:
    """One part of a life: how it begins, and the picture at its end."""

    name: str
    house: object
    endpoint: Endpoint = None
    over: object = None
    # Attempts up to this number never answer.
    mute: int = 0

    def round(self, streams=None):
        """All that one worker does until the next sweep."""
        with suppress(EngineUnreachable):
            for pk in loop.sweep():
                loop.reconcile(pk)
        with suppress(EngineError):
            for pk in loop.look_for_gpus():
                loop.reconcile(pk)
        loop.reconcile(self.endpoint.pk)
        self.fetch(streams)
        self.time_passes()
        self.probe()

    def fetch(self, streams=None):
        jobs = fetching._wanted()
        if jobs:
            fetcher = fetching.Fetcher(streams or FakeStreams(self.house.world))
            asyncio.run(_fetch_all(fetcher, jobs))

    def probe(self):
        starting = self.endpoint.replicas.filter(
            state=S.STARTING, answered_at=None
        ).exclude(started_at=None)
        starting.filter(attempt__gt=self.mute).update(answered_at=timezone.now())
        mute = starting.filter(attempt__lte=self.mute)
        long_ago = timezone.now() - _LONG
        for container_id in mute.values_list("container_id", flat=True):
            self.house.world.containers[container_id].started_at = long_ago
        mute.update(since=long_ago, started_at=long_ago)
        if starting.exists() or self.states() != [S.READY]:
            loop.reconcile(self.endpoint.pk)

    def time_passes(self):
        """Logs are read to their end, and waits for the next try are over."""
        for held in self.house.world.containers.values():
            if not held.running:
                labels = held.wanted.labels
                owner = int(labels[names.REPLICA]), int(labels[names.ATTEMPT])
                store.mark_finished(self.endpoint.pk, *owner)
        Replica.objects.filter(state=S.FAILED).update(retry_at=timezone.now())

    def states(self):
        rows = Replica.objects.alive().filter(endpoint_id=self.endpoint.pk)
        return list(rows.order_by("number").values_list("state", flat=True))

    # --- what holds -----------------------------------------------------------
    def check(self):
        """After every round."""
        running = [c for c in self.house.world.containers.values() if c.running]
        whose = [c.wanted.labels[names.REPLICA] for c in running]
        assert len(whose) == len(set(whose)), "a replica has two containers"
        given = list(itertools.chain(*(c.wanted.gpus for c in running)))
        assert len(given) == len(set(given)), "a GPU has two owners"
        held = Gpu.objects.exclude(replica=None).select_related("replica")
        assert all(gpu.replica.state != S.STOPPED for gpu in held), "a GPU leaked"
        told = {}
        for event in Event.objects.exclude(replica_id=None):
            # An attempt that failed may still have its container ended, and said so.
            if event.reason in ONCE:
                key = event.replica_id, event.attempt
                told.setdefault(key, []).append(event.reason)
        for key, reasons in told.items():
            assert len(reasons) == len(set(reasons)), (key, reasons)
            assert len(ENDINGS & set(reasons)) <= 1, (key, reasons)

    def check_end(self):
        """When all is over."""
        self.check()
        containers = list(self.house.world.containers.values())
        alive = list(Replica.objects.alive())
        assert {c.id for c in containers} == {r.container_id for r in alive}
        holders = {gpu.replica_id for gpu in Gpu.objects.exclude(replica=None)}
        needing = {r.pk for r in alive if r.tier.gpus}
        assert holders == needing, "GPUs and their owners"
        route = self.house.ingress.routes.get(self.endpoint.name)
        led = [upstream.key for upstream in route.upstreams] if route else []
        assert led == [f"{r.pk}.{r.attempt}" for r in alive if r.state == S.READY]
        for row in Replica.objects.all():
            story = Event.objects.filter(replica_id=row.pk)
            first, *_, last = story.order_by("id").values_list("reason", flat=True)
            assert first == Reason.WAITING
            assert last == (Reason.RUNNING if row.state == S.READY else Reason.STOPPED)

    def drive(self, streams=None):
        """To its end; how many rounds it took."""
        for count in range(1, ENOUGH + 1):
            self.round(streams)
            self.check()
            if self.over(self):
                self.check_end()
                return count
        raise AssertionError(f"{self.name} does not end: {self.states()}")


async def _fetch_all(fetcher, jobs):
    for key, job in jobs.items():
        await fetcher._fetch(key, job)


# --- the scenes -----------------------------------------------------------------


def _new(house, name, **fields):
    house.world.gpus = [GPU]
    with suppress(EngineError):
        loop.look_for_gpus()
    tier = MediumTierFactory()
    return Scene(name, house, house.endpoint(tier=tier, **fields))


def _serves(scene):
    return scene.states() == [S.READY] and len(scene.house.world.containers) == 1


def _is_gone(scene):
    left = Endpoint.objects.filter(pk=scene.endpoint.pk).exists()
    return not left and not scene.house.world.containers


def _up(scene):
    scene.over = _serves
    scene.drive()
    return scene


def start(house):
    """The image is there; the container starts and answers."""
    house.has_image()
    scene = _new(house, "a start")
    scene.over = _serves
    return scene


def pull(house):
    """The image has to come first."""
    house.world.images.clear()
    scene = _new(house, "a start with a pull")
    scene.over = _serves
    return scene


def build(house):
    """The image is built from the catalogue."""
    house.world.images.clear()
    container = spec(image="alight/chat", build="chat")
    scene = _new(house, "a start with a build")
    wishes.change(scene.endpoint, "alice", spec=container.to_json())
    scene.over = _serves
    return scene


def stop(house):
    """It is deleted, and its container does not end when it is asked."""
    house.has_image(stubborn=True)
    scene = _up(_new(house, "a stop"))
    wishes.delete(scene.endpoint, "alice")
    scene.over = _is_gone
    return scene


def drain(house):
    """It is paused while a request is open, which ends later."""
    house.has_image()
    scene = _up(_new(house, "a drain"))
    key = house.ingress.begin(scene.endpoint.name)
    wishes.pause(scene.endpoint, "alice")

    open_ones = [key]

    def over(scene):
        while open_ones:
            house.ingress.end(scene.endpoint.name, open_ones.pop())
        return scene.states() == [] and not house.world.containers

    scene.over = over
    return scene


def rollout(house):
    """A new revision needs the one GPU that the old one holds."""
    house.has_image()
    scene = _up(_new(house, "a rollout"))
    new = replace(scene.endpoint.container, health_path="/ok").to_json()
    scene.endpoint.refresh_from_db()
    wishes.change(scene.endpoint, "alice", spec=new)

    def over(scene):
        # Refused by the engine, it is given up, and what ran before serves on.
        ways = Event.objects.filter(
            reason__in=(Reason.ROLLED_OUT, Reason.ROLLOUT_STOPPED),
            endpoint_id=scene.endpoint.pk,
        )
        return _serves(scene) and ways.count() == 1

    scene.over = over
    return scene


def crash(house):
    """Its container ends by itself, and is started anew."""
    house.has_image()
    scene = _up(_new(house, "a crash"))
    house.world.crash(next(iter(house.world.containers)), code=3)

    def over(scene):
        alive = Replica.objects.alive().filter(endpoint_id=scene.endpoint.pk)
        return _serves(scene) and alive.get().attempt > 1

    scene.over = over
    return scene


def silence(house):
    """It does not answer in time, and the next attempt does."""
    house.has_image(listens=(3000,))
    scene = _new(house, "a silent start")
    scene.mute, scene.over = 1, _serves
    return scene


SCENES = (start, pull, build, stop, drain, rollout, crash, silence)


def tidy(house):
    """Nothing is left of the scene before."""
    house.world.containers.clear()
    house.ingress.routes.clear()
    Gpu.objects.update(replica=None)
    Event.objects.all().delete()
    Endpoint.objects.all().delete()
