"""What goes wrong in one place stays there: the rest goes on."""

import asyncio

import pytest

from endpoints import services as wishes
from endpoints.models import Event
from endpoints.tests.factories import MediumTierFactory, respec, secret_var, spec
from replicas.engine.base import EngineRefused
from replicas.engine.fake import FakeStreams
from replicas.reconciler import loop
from replicas.runner import main
from replicas.states import ReplicaState as S
from replicas.tests.factories import GpuFactory
from replicas.tests.house import House

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.valkey]


@pytest.fixture
def house(valkey, monkeypatch):
    return House(monkeypatch)


def with_env(endpoint, *variables):
    return respec(endpoint, spec(env=variables))


def test_a_wish_for_more_than_there_is_keeps_nobody_waiting(house):
    GpuFactory(node_id=house.engine.node().name)
    house.has_image()
    greedy = house.endpoint(tier=MediumTierFactory(slug="four", gpus=4))
    modest = house.endpoint(tier=MediumTierFactory())
    assert house.settle(greedy) == [S.WAITING]
    assert house.settle(modest) == [S.STARTING]


def test_a_secret_that_cannot_be_opened_fails_the_start_and_lets_go(
    house, settings, monkeypatch
):
    house.has_image()
    endpoint = with_env(house.endpoint(), secret_var("TOKEN", "hunter2hunter2"))
    settings.SECRET_KEY = "another installation's"
    assert house.settle(endpoint) == [S.FAILED]
    (replica,) = house.replicas(endpoint)
    assert replica.trouble == "SecretLost"
    assert replica.trouble_text.startswith("TOKEN: A secret could not be opened.")
    wishes.delete(endpoint, "alice")
    loop.reconcile(endpoint.pk)
    assert not type(endpoint).objects.exists()


def test_a_secret_in_the_last_words_of_a_container_is_masked(house):
    endpoint = with_env(house.endpoint(), secret_var("TOKEN", "hunter2hunter2"))
    house.up(endpoint)
    (replica,) = house.replicas(endpoint)
    house.world.say(replica.container_id, "refused: hunter2hunter2")
    house.world.crash(replica.container_id)
    house.settle(endpoint)
    (told,) = Event.objects.filter(reason="ContainerExited")
    assert told.data["tail"] == ["refused: •••"]


def test_a_container_that_cannot_be_removed_does_not_stop_the_sweep(house, monkeypatch):
    gone, left = house.endpoint(), house.endpoint()
    for endpoint in (gone, left):
        house.up(endpoint)
    house.world.crash(house.replicas(left)[0].container_id)
    type(gone).objects.filter(pk=gone.pk).delete()

    def refuse(container_id):
        raise EngineRefused("The device is busy.")

    monkeypatch.setattr(house.engine, "remove", refuse)
    assert loop.sweep() == [left.pk]


async def test_a_runner_that_falls_leaves_nothing_running(house, monkeypatch):
    ended = []

    class Part:
        def __init__(self, *_):
            self.name = type(self).__name__

        async def sweep(self):
            pass

        async def close(self):
            ended.append(self)

    class Falls:
        def __init__(self, *_):
            pass

        async def run(self):
            raise RuntimeError("odd words from the engine")

    parts = ("Fetcher", "Prober", "GpuFinder", "LogFollower", "Door")
    for name in parts:
        monkeypatch.setattr(main, name, Part)
    monkeypatch.setattr(main, "Watcher", Falls)
    monkeypatch.setattr(main, "open_streams", lambda: FakeStreams(house.world))
    with pytest.raises(ExceptionGroup):
        async with asyncio.timeout(60):
            await main.Runner().run()
    assert len(ended) == len(parts)
