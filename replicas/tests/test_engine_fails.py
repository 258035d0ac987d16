"""Every call of the engine goes wrong, in every way, in every scene of a life.

Which calls there are is read from the protocol, and which of them a scene makes from
the scene, so that a new call is tried without a line here.
"""

import pytest
from django.db import connection

from endpoints import volumes
from endpoints.models import Volume
from replicas.engine.fake import FakeStreams
from replicas.engine.faults import Fault, Faults
from replicas.engine.faulty import ACTS, FaultyEngine, FaultyStreams
from replicas.runner import fetching
from replicas.runner import volumes as keeping
from replicas.tests import driving
from replicas.tests.house import House

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.valkey]

# Ways, and the rounds after which a fault that would go on is taken away.
ONCE = {
    "refuses": {"error": "EngineRefused"},
    "hangs": {"does": "hang", "seconds": 0.0},
    "fails for a while": {"times": None},
}
# What changes the world: done, and its answer lost.
CHANGES = {"create", "start", "terminate", "stop", "remove"}
# Scenes, and which of the calls that they make are tried there; None for all.
SCENES = {
    driving.start: None,
    driving.stop: None,
    driving.rollout: {"create", "terminate", "remove"},
    driving.crash: {"tail", "remove"},
    driving.silence: {"tail", "listening_ports"},
}
# What no scene of an endpoint calls, and where it is tried.
ELSEWHERE = {"in_network": "test_isolation.py", "remove_volume": "below"}
MET = set()


class Outside:
    """The fake engine; nobody may wait for it inside a transaction."""

    def __init__(self, engine):
        self.engine = engine
        self.met = []

    def __getattr__(self, name):
        real = getattr(self.engine, name)
        if name not in ACTS:
            return real

        def call(*args, **kwargs):
            assert not connection.in_atomic_block, f"{name} while others cannot write"
            self.met.append(name)
            return real(*args, **kwargs)

        return call


@pytest.fixture
def house(valkey, monkeypatch, settings, tmp_path):
    settings.ALIGHT_STOP_GRACE = 0
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    for module in (fetching, "replicas.runner.looking"):
        for name in ("in_thread", "in_slow_thread"):
            path = module if isinstance(module, str) else module.__name__
            monkeypatch.setattr(f"{path}.{name}", here, raising=False)
    faults = Faults(tmp_path / "faults")
    made = House(monkeypatch, lambda fake: FaultyEngine(Outside(fake), faults))
    made.faults = faults
    return made


async def here(call, *args, **kwargs):
    return call(*args, **kwargs)


def faults_for(met):
    """Every call that was made, each way; of those that change something, each one."""
    for name in sorted(set(met)):
        for way in ONCE.values():
            yield Fault(name, **way)
        for nth in range(1, met.count(name) + 1) if name in CHANGES else ():
            yield Fault(name, nth=nth)
            yield Fault(name, nth=nth, does="lose")


@pytest.mark.parametrize("scene", SCENES)
def test_a_call_that_goes_wrong_is_mended_in_a_sweep(house, scene):
    calm = scene(house)
    house.engine.met.clear()
    rounds = calm.drive()
    met = list(house.engine.met)
    MET.update(met)
    broken, tried = [], SCENES[scene] or set(met)
    for fault in faults_for([name for name in met if name in tried]):
        house.faults.clear()
        driving.tidy(house)
        struck = scene(house)
        house.faults.set(fault)
        try:
            if fault.times is None:
                struck.round()
                struck.check()
                struck.round()
                struck.check()
                house.faults.clear()
            took = struck.drive()
            assert took <= rounds + 2, f"{took} rounds instead of {rounds}"
        except Exception as error:  # noqa: BLE001 - all are told together
            broken.append(f"{fault}: {error!r}")
    assert not broken, "\n".join(broken)
    assert house.faults.struck()


def test_no_call_is_left_out():
    """Runs after the scenes: together they make every call of the protocol."""
    if MET:
        assert set(ACTS) - MET == set(ELSEWHERE)


@pytest.mark.parametrize("way", ["fail", "lose", "hang"])
def test_a_volume_is_removed_at_the_next_look(house, alice, way):
    row = volumes.ensure(alice.pk, "checkpoints")
    house.world.volumes[row.engine_name] = {}
    Volume.objects.update(deleting=True)
    house.faults.set(Fault("remove_volume", does=way, seconds=0.0))
    assert not keeping._remove_all()
    assert Volume.objects.exists()
    assert keeping._remove_all()
    assert not Volume.objects.exists()
    assert house.world.volumes == {}


@pytest.mark.parametrize("way", ["fail", "lose", "hang"])
@pytest.mark.parametrize("scene", [driving.pull, driving.build])
def test_an_image_that_does_not_come_at_once_comes(house, scene, way):
    streams = FaultyStreams(FakeStreams(house.world), house.faults)
    house.faults.set(Fault("fetch", does=way, seconds=0.0))
    made = scene(house)
    assert made.drive(streams) <= 3
    assert [strike.call for strike in house.faults.struck()] == ["fetch"]
