"""Whose an endpoint is: one worker's, until it is dead, or frozen for too long."""

import os
import signal
import subprocess
import threading

import pytest

from replicas import lock
from replicas.reconciler import loop
from replicas.tests.house import House

pytestmark = pytest.mark.valkey

KEY = "alight:lock:7"


@pytest.fixture
def other():
    """Another process of this machine, which could be a worker."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.send_signal(signal.SIGCONT)
        process.kill()


def token_of(pid):
    return f"{lock._place()}/{pid}/{lock._start_time(pid)}/abcd"


def is_held_by(valkey, token, px=8000):
    valkey.set(KEY, token, px=px)


def test_a_living_workers_lock_is_its_own(valkey, other):
    is_held_by(valkey, token_of(other.pid))
    with lock.held(7) as hold:
        assert hold is None
    assert valkey.get(KEY) == token_of(other.pid)


def test_a_dead_workers_lock_is_free_at_once(valkey, other):
    is_held_by(valkey, token_of(other.pid))
    # Dead, though nobody has buried it yet.
    other.kill()
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    with lock.held(7) as hold:
        assert hold is not None
        assert hold.ours()
    assert valkey.get(KEY) is None


def test_another_process_with_the_same_number_is_not_the_holder(valkey, other):
    is_held_by(valkey, f"{lock._place()}/{other.pid}/1/abcd")
    with lock.held(7) as hold:
        assert hold is not None


@pytest.mark.parametrize(
    "token", ["another-boot/pid:[1]/1/1/abcd", "of an earlier version", "a/b/c/d/e"]
)
def test_what_cannot_be_told_from_here_is_waited_for(valkey, token):
    is_held_by(valkey, token)
    with lock.held(7) as hold:
        assert hold is None


def test_a_lease_longer_than_any_is_of_a_clock_set_back(valkey):
    is_held_by(valkey, "another-boot/pid:[1]/1/1/abcd", px=3_600_000)
    with lock.held(7) as hold:
        assert hold is not None


def test_one_that_froze_finds_its_lock_anothers(valkey, other):
    with lock.held(7) as hold:
        hold.check()
        # Its lease ran out while it did not run, and another took the lock.
        is_held_by(valkey, token_of(other.pid))
        assert not hold.ours()
        with pytest.raises(lock.NotOurs):
            hold.check()
        # What it does to its own lease does not touch the other's.
        hold.renew()
    assert valkey.get(KEY) == token_of(other.pid)


def test_of_many_that_find_a_dead_workers_lock_one_has_it(valkey):
    is_held_by(valkey, f"{lock._place()}/{os.getpid()}/1/abcd")
    got, done = [], threading.Barrier(8)

    def run():
        with lock.held(7) as hold:
            got.append(hold is not None)
            done.wait(30)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(got) == 1


@pytest.mark.django_db(transaction=True)
def test_a_pass_that_froze_touches_nothing_any_more(valkey, monkeypatch, other):
    house = House(monkeypatch)
    house.has_image()
    endpoint = house.endpoint()
    key, look = f"alight:lock:{endpoint.pk}", house.engine.image
    # When it has planned the start, it freezes until the lock is another's.
    with monkeypatch.context() as frozen:
        frozen.setattr(
            house.engine,
            "image",
            lambda *args: valkey.set(key, token_of(other.pid)) and look(*args),
        )
        loop.reconcile(endpoint.pk)
    assert house.engine.observe({}) == []
    assert valkey.get(key) == token_of(other.pid)
    # The other has died: the next look goes on where it stopped, without a wait.
    other.kill()
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    assert house.up(endpoint) == ["ready"]
    assert len(house.containers()) == 1
