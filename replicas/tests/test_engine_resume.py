"""Reading output again neither repeats nor skips."""

import pytest

from replicas.engine.base import LogChunk
from replicas.engine.resume import Place

# Two parts of one long line share a time, as 30 does.
WHOLE = [
    LogChunk(10, "stdout", "a"),
    LogChunk(20, "stdout", "b"),
    LogChunk(30, "stdout", "long", complete=False),
    LogChunk(30, "stdout", "er"),
    LogChunk(40, "stderr", "c"),
]


def batches(chunks, size):
    return [chunks[at : at + size] for at in range(0, len(chunks), size)]


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("broken_after", range(6))
def test_a_break_anywhere_changes_nothing(broken_after, size):
    place, seen = Place(0), []
    for batch in batches(WHOLE[:broken_after], size):
        seen += place.fresh(batch)
    place.again()
    rest = [chunk for chunk in WHOLE if chunk.at >= place.at]  # inclusive
    for batch in batches(rest, size):
        seen += place.fresh(batch)
    assert seen == WHOLE


def test_two_breaks_at_the_same_place():
    place = Place(0)
    seen = place.fresh(WHOLE[:3])
    for _ in range(2):
        place.again()
        seen += place.fresh(WHOLE[2:3])
    place.again()
    seen += place.fresh(WHOLE[2:])
    assert seen == WHOLE


def test_the_first_reading_is_inclusive():
    assert Place(20).fresh(WHOLE[1:]) == WHOLE[1:]


def test_what_is_gone_from_the_log_is_not_dropped_later():
    place = Place(0)
    place.fresh(WHOLE[:4])
    place.again()
    assert place.fresh(WHOLE[4:]) == WHOLE[4:]


def test_a_line_that_never_ended_is_completed():
    place = Place(0)
    place.fresh(WHOLE[:3])
    assert place.endings() == [LogChunk(30, "stdout", "")]
    place.fresh(WHOLE[3:])
    assert place.endings() == []
