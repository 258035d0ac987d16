"""Tries are counted: the same in one process and in Valkey, for all processes."""

from __future__ import annotations

import threading

import pytest
import redis

from endpoints import limits
from endpoints.limits import InMemory, InValkey, Limit, Shared, place_of, wait_words

THREE = Limit(3, 100)


@pytest.fixture(params=["memory", pytest.param("valkey", marks=pytest.mark.valkey)])
def counted(request):
    if request.param == "memory":
        return InMemory()
    client = request.getfixturevalue("valkey")
    return InValkey(redis.Redis(connection_pool=plain(client)))


def plain(client):
    """A pool of the same Valkey that gives bytes, as ours has it."""
    path = client.connection_pool.connection_kwargs["path"]
    return redis.ConnectionPool.from_url(f"unix://{path}")


def tries(counters, times, *names):
    return [counters.take([(name, THREE) for name in names]) for _ in range(times)]


def test_so_many_and_no_more(counted):
    first, second, third, fourth = tries(counted, 4, "a")
    assert (first, second, third) == (0, 0, 0)
    assert 90 < fourth <= 100


def test_each_name_by_itself(counted):
    tries(counted, 3, "a")
    assert tries(counted, 1, "b") == [0]


def test_who_is_refused_is_not_counted_elsewhere(counted):
    tries(counted, 3, "a")
    assert all(wait > 0 for wait in tries(counted, 9, "a", "b"))
    assert tries(counted, 3, "b") == [0, 0, 0]


def test_going_on_makes_no_wait_longer(counted):
    *_, first = tries(counted, 4, "a")
    *_, last = tries(counted, 50, "a")
    assert last <= first


def test_a_right_one_ends_its_own_count_and_is_taken_off_the_others(counted):
    tries(counted, 2, "own", "all")
    counted.take([("own", THREE), ("all", THREE)])
    counted.give_back("own", ["all"])
    assert tries(counted, 3, "own") == [0, 0, 0]
    assert [wait > 0 for wait in tries(counted, 2, "all")] == [False, True]


def test_giving_back_what_was_never_taken(counted):
    counted.give_back("a", ["b"])
    assert tries(counted, 3, "a", "b") == [0, 0, 0]


def test_forgetting_by_a_word_of_the_name(counted):
    for name in ("here:alice:1", "here:alice:2", "account:alice", "account:bob"):
        tries(counted, 3, name)
    assert counted.forget("alice") == 3
    assert tries(counted, 1, "account:alice") == [0]
    assert tries(counted, 1, "account:bob")[0] > 0
    assert counted.forget() == 2


def test_a_hundred_at_once_are_counted_one_by_one(counted):
    waits = []
    go = threading.Barrier(20)

    def guess():
        go.wait()
        waits.extend(tries(counted, 5, "a"))

    threads = [threading.Thread(target=guess) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert waits.count(0) == 3


def test_a_count_ends_by_itself(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(limits.time, "monotonic", lambda: now[0])
    counted = InMemory()
    tries(counted, 3, "a")
    now[0] += 40
    assert tries(counted, 1, "a") == [pytest.approx(60)]
    now[0] += 61
    assert tries(counted, 1, "a") == [0]


@pytest.mark.valkey
def test_in_valkey_too(valkey):
    counted = InValkey(redis.Redis(connection_pool=plain(valkey)))
    tries(counted, 3, "a")
    (key,) = valkey.keys("alight:tries:*")
    assert 90_000 < valkey.pttl(key) <= 100_000
    valkey.pexpire(key, 0)
    assert tries(counted, 1, "a") == [0]


def test_one_process_keeps_so_many_and_no_more(monkeypatch):
    monkeypatch.setattr(limits, "_ROOM", 10)
    counted = InMemory()
    for number in range(100):
        tries(counted, 3, f"name{number}")
    assert tries(counted, 1, "name99")[0] > 0
    assert tries(counted, 1, "name0") == [0]


# --- Valkey away -------------------------------------------------------------------
class Away:
    """A Valkey that does not answer, until it does."""

    def __init__(self):
        self.inner = InMemory()
        self.away = True
        self.asked = 0

    def __getattr__(self, name):
        def act(*args):
            self.asked += 1
            if self.away:
                raise redis.ConnectionError("no such file")
            return getattr(self.inner, name)(*args)

        return act


def test_without_valkey_the_process_counts_by_itself(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(limits.time, "monotonic", lambda: now[0])
    far = Away()
    shared = Shared(far)
    assert [wait > 0 for wait in tries(shared, 4, "a")] == [False] * 3 + [True]
    shared.give_back("b", ["a"])
    assert tries(shared, 1, "a") == [0]
    # A Valkey that hangs costs one wait, not one for each try.
    assert far.asked == 1
    far.away = False
    now[0] += 6
    assert tries(shared, 3, "a") == [0, 0, 0]
    assert far.asked == 4
    far.away = True
    with pytest.raises(redis.RedisError):
        shared.forget()


@pytest.mark.valkey
def test_what_this_process_uses_is_counted_in_valkey(valkey):
    tries(limits.counters(), 2, "a")
    assert valkey.get("alight:tries:a") == "2"


# --- Words -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("10.0.0.5", "10.0.0.5"),
        ("::ffff:10.0.0.5", "10.0.0.5"),
        ("2001:db8:1:2:3:4:5:6", "20010db800010002"),
        ("2001:db8:1:2::1", "20010db800010002"),
        ("", "unknown"),
        ("testclient", "unknown"),
    ],
)
def test_whom_an_address_stands_for(address, place):
    assert place_of(address) == place


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (90, "90 s"), (90.5, "2 min"), (300, "5 min")]
)
def test_a_wait_in_words(seconds, words):
    assert wait_words(seconds) == words
