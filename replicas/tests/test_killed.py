"""A worker killed at any step of a life: the next worker's first sweep mends it.

A step is whatever outlives the worker: an act of the engine, a change of the ingress, a
transaction, and what follows a transaction. They are counted while nobody is killed, so
a new step is tried without a line here. The worker dies before the first one, before
the second, and so on through all of them; a place in the code that was tried in a scene
before is not tried again.
"""

import sys

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from replicas.runner import fetching, looking
from replicas.tests import driving
from replicas.tests.house import House

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.valkey]

ACTS = {"create", "start", "terminate", "stop", "remove"}
SCENES = (driving.pull, driving.stop, driving.drain, driving.rollout)
# What a worker is dead before, at least, in each scene.
STEPS = {driving.pull: 20, driving.stop: 10, driving.drain: 10, driving.rollout: 30}

TRIED = set()


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


class Fuse:
    """Lets so many steps pass, then kills. Counts them while it is not armed."""

    def __init__(self):
        self.left, self.count, self.places = None, 0, []

    def arm(self, steps):
        self.left, self.count, self.places = steps, 0, []

    def disarm(self):
        self.left = None

    def step(self):
        self.count += 1
        self.places.append(place())
        if self.left is None:
            return
        if self.left == 0:
            self.left = None
            # What was to follow the transaction dies with the process.
            connection.run_on_commit.clear()
            raise Killed
        self.left -= 1

    def guard(self, monkeypatch, owner, name):
        real = getattr(owner, name)

        def guarded(*args, **kwargs):
            self.step()
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, guarded)

    def before_a_write(self, execute, sql, params, many, context):
        """One that is a transaction of its own."""
        if not connection.in_atomic_block and sql.startswith(("INS", "UPD", "DEL")):
            self.step()
        return execute(sql, params, many, context)


def place():
    """Where in our code this happens: what called what, innermost first."""
    found, frame = [], sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if ("/replicas/" in name or "/endpoints/" in name) and "/tests/" not in name:
            found.append((name.rpartition("/")[2], frame.f_lineno))
        frame = frame.f_back
    return tuple(found)


async def here(call, *args, **kwargs):
    return call(*args, **kwargs)


@pytest.fixture
def fuse():
    return Fuse()


@pytest.fixture
def house(valkey, monkeypatch, settings, fuse):
    settings.ALIGHT_STOP_GRACE = 0
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    for module in (fetching, looking):
        for name in ("in_thread", "in_slow_thread"):
            monkeypatch.setattr(module, name, here, raising=False)
    made = House(monkeypatch)
    for name in ACTS:
        fuse.guard(monkeypatch, made.engine, name)
    for name in ("apply", "forget"):
        fuse.guard(monkeypatch, made.ingress, name)
    fuse.guard(monkeypatch, BaseDatabaseWrapper, "run_and_clear_commit_hooks")
    with connection.execute_wrapper(fuse.before_a_write):
        yield made


def killed(scene, fuse, steps):
    """Whether the worker died at that step before the scene was over."""
    fuse.arm(steps)
    try:
        for _ in range(driving.ENOUGH):
            scene.round()
            if scene.over(scene):
                return False
    except Killed:
        return True
    finally:
        fuse.disarm()
    raise AssertionError(f"{scene.name} does not end")


@pytest.mark.parametrize("scene", SCENES)
def test_a_worker_killed_at_any_step_is_made_up_for_in_a_sweep(house, fuse, scene):
    calm = scene(house)
    fuse.arm(None)
    rounds = calm.drive()
    steps, places = fuse.count, fuse.places
    assert steps >= STEPS[scene]
    broken = []
    for step in range(steps):
        if places[step] in TRIED:
            continue
        TRIED.add(places[step])
        driving.tidy(house)
        struck = scene(house)
        if not killed(struck, fuse, step):
            continue
        try:
            took = struck.drive()
            assert took <= rounds + 1, f"{took} rounds instead of {rounds}"
        except Exception as error:  # noqa: BLE001 - all are told together
            broken.append(f"before step {step} of {steps}: {error!r}")
    assert not broken, "\n".join(broken)
