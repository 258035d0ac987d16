"""Searching kept logs: newest first, in pieces, everything once."""

import itertools
import os
import random

import pytest

from replicas.logs import files, search
from replicas.logs.records import Attempt, Draft
from replicas.logs.search import BadCursor, Query
from replicas.logs.state import log_file
from replicas.logs.stored import pack_file
from replicas.tests.factories import ReplicaFactory

pytestmark = pytest.mark.django_db
SECOND = 1_000_000_000
NOON = 1_700_000_000 * SECOND
AHEAD = 1_000_000_000 * SECOND


@pytest.fixture(autouse=True)
def log_dir(settings, tmp_path, no_valkey):
    settings.ALIGHT_LOG_DIR = tmp_path / "logs"


@pytest.fixture
def replica():
    return ReplicaFactory(ready=True)


def write(replica, drafts, *, attempt=1, pack=False):
    owner = Attempt(replica.endpoint_id, replica.pk, attempt, replica.number)
    file = log_file(owner)
    file.append(drafts)
    file.close()
    if pack:
        pack_file(files.log_path(owner))
    return owner


def said(*texts, second=0, flags="oi-"):
    return [
        Draft(NOON + (second + n) * SECOND, flags, text) for n, text in enumerate(texts)
    ]


def texts(found):
    return [line.text for line in found.lines]


def look(replica, limit=100, **query):
    return search.search(replica.endpoint_id, Query(**query), limit)


def test_the_newest_first_and_all_attempts_by_time(replica):
    other = ReplicaFactory(endpoint=replica.endpoint, number=2, ready=True)
    write(replica, said("a", "c", "e"), pack=True)
    write(
        other,
        [
            Draft(NOON + SECOND // 2, "oi-", "b"),
            Draft(NOON + 3 * SECOND // 2, "oi-", "d"),
        ],
    )
    found = look(replica)
    assert texts(found) == ["e", "d", "c", "b", "a"]
    assert (found.next, found.back) == ("", 0)


def test_what_is_found(replica):
    write(replica, said("Out of MEMORY", "fine", "\x1b[31mout\x1b[0m of memory"))
    write(replica, said("out of memory", second=60, flags="ee-"), attempt=2)
    write(replica, said("Replica ended", second=61, flags="sw-"), attempt=2)
    at = NOON + 2 * SECOND
    assert len(texts(look(replica, text="Out of Memory"))) == 3
    assert len(texts(look(replica, text="out of memory", attempt=1))) == 2
    assert texts(look(replica, text="out of", level="error")) == ["out of memory"]
    assert texts(look(replica, level="warn")) == ["Replica ended", "out of memory"]
    assert texts(look(replica, source="system")) == ["Replica ended"]
    assert texts(look(replica, end=at)) == ["fine", "Out of MEMORY"]
    assert texts(look(replica, begin=at)) == [
        "Replica ended",
        "out of memory",
        "\x1b[31mout\x1b[0m of memory",
    ]
    assert texts(look(replica, text="nowhere")) == []
    assert texts(look(replica, replica_id=replica.pk + 1)) == []


@pytest.mark.parametrize("seed", range(6))
def test_pieces_of_any_size_give_every_line_once(seed, replica):
    """Several replicas at once, packed or not, and times that are out of order."""
    chance = random.Random(seed)
    others = [replica] + [
        ReplicaFactory(endpoint=replica.endpoint, number=n, ready=True) for n in (2, 3)
    ]
    wanted = set()
    for one, attempt in itertools.product(others, (1, 2)):
        # Of a clock that was ahead every line is found as well.
        ahead = AHEAD if chance.random() < 0.2 else 0
        at, drafts = NOON + ahead + chance.randrange(50) * SECOND, []
        for n in range(chance.randrange(500)):
            at += chance.choice([0, 0, SECOND // 10, -SECOND // 20])
            hit = chance.random() < 0.1
            text = f"{one.pk}:{attempt}:{n} {'needle' if hit else 'hay'} {'x' * 90}"
            drafts.append(Draft(at, "oi-", text))
            if hit:
                wanted.add(text)
        if drafts:
            owner = write(one, drafts, attempt=attempt, pack=chance.random() < 0.5)
            if not ahead:
                places = files.log_path(owner), files.packed_log_path(owner)
                os.utime(next(p for p in places if p.exists()), ns=(at, at))
    seen, cursor, pieces = [], "", 0
    ticks = itertools.count()
    for _ in range(500):
        found = search.search(
            replica.endpoint_id,
            Query(text="NEEDLE"),
            chance.choice([5, 20, 50]),
            cursor=cursor,
            # Ends by time as well: so many looks at a clock.
            seconds=chance.choice([6, 30, 1000]),
            clock=lambda: next(ticks),
        )
        seen += texts(found)
        cursor, pieces = found.next, pieces + 1
        if not cursor:
            break
    assert len(seen) == len(wanted)
    assert set(seen) == wanted
    assert pieces > 5


def test_time_is_bounded_and_said(replica):
    lines = [f"line {n} {'x' * 200}" for n in range(5_000)]
    write(replica, said(*lines))
    ticks = itertools.count()
    found = search.search(
        replica.endpoint_id,
        Query(text="nowhere"),
        10,
        seconds=4,
        clock=lambda: next(ticks),
    )
    assert found.lines == []
    assert NOON < found.back < NOON + 5_000 * SECOND
    assert found.next


@pytest.mark.parametrize("cursor", ["x", "bm8", "WzFd", "WzEsMl0=", "é"])
def test_a_cursor_that_is_none(replica, cursor):
    with pytest.raises(BadCursor):
        search.search(replica.endpoint_id, Query(), 1, cursor=cursor)
