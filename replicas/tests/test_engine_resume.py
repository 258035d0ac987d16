"""Reading output again neither repeats nor skips."""

import random

import pytest

from replicas.engine.base import LOST, Known, LogChunk
from replicas.engine.resume import MUCH, Place

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


# --- The engine begins its files anew ------------------------------------------
SECOND = 1_000_000_000


def counted(first, last, *, second=0):
    """Lines first … last, a microsecond apart from `second` on."""
    begin = second * SECOND
    return [
        LogChunk(begin + n * 1000, "stdout", str(n)) for n in range(first, last + 1)
    ]


def read(place, chunks, size=100):
    """What `fresh` gives of them until it doubts."""
    seen = []
    for batch in batches(chunks, size):
        seen += place.fresh(batch)
        if place.doubt or place.back:
            break
    return seen


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_the_engine_gives_again_is_left_out(size):
    place = Place(0)
    whole = [LogChunk(n * 1_000_000, "stdout", str(n)) for n in range(1, 3000)]
    seen = read(place, whole[:2400], size)
    seen += read(place, whole[1200:1800], size)
    assert place.back
    place.again()
    rest = [chunk for chunk in whole if chunk.at >= place.at]
    assert seen + read(place, rest, size) == whole


def test_a_jump_in_the_middle_of_much_is_doubted():
    place, whole = Place(0), counted(1, 100) + counted(1, 100, second=9)
    place.weigh(MUCH)
    assert read(place, whole) == whole[:100]
    assert place.doubt == whole[100].at
    # It was the container that was silent.
    assert place.fresh(place.believe()) == whole[100:]
    assert place.doubt == 0


def test_a_jump_of_one_who_writes_little_is_a_pause():
    place, whole = Place(0), counted(1, 100) + counted(1, 100, second=9)
    place.weigh(MUCH - 1)
    assert read(place, whole, 1000) == whole


def test_what_was_left_out_is_read_again_and_what_is_gone_is_said():
    place = Place(0)
    first, found, later = (
        counted(1, 9),
        counted(1, 9, second=5),
        counted(1, 9, second=9),
    )
    place.weigh(MUCH)
    seen = read(place, first + later)
    place.missed(found[0].at)
    place.again()
    batch = place.fresh(first + found + later)
    assert seen + batch == first + found + later
    assert place.gap(batch) == LogChunk(found[0].at, LOST, str(first[-1].at))
    assert place.gap(batch) is None


def test_a_clock_set_back_loses_nothing():
    place = Place(0)
    whole = counted(1, 1000, second=3600) + counted(1, 1000, second=5)
    assert read(place, whole) == whole
    place.again()
    assert place.at < 6 * SECOND
    assert read(place, whole[1500:]) == []


def test_a_line_that_goes_on_much_later_is_no_step_back():
    place = Place(0)
    whole = [
        LogChunk(10, "stderr", "bar", complete=False),
        *counted(1, 10, second=5),
        LogChunk(10, "stderr", "end"),
        *counted(20, 30, second=5),
    ]
    assert read(place, whole[:5], 1) == whole[:5]
    place.again()
    assert place.at == 10
    assert read(place, whole, 1) == whole[5:]


@pytest.mark.parametrize("seed", range(30))
def test_any_breaks_and_steps_back_give_every_line_once(seed):
    """Two streams, long lines in parts; cut and given again anywhere."""
    chance = random.Random(seed)
    whole, at = [], SECOND
    while len(whole) < 300:
        at += chance.choice([0, 1, 1000, 200_000_000])
        stream = chance.choice(["stdout", "stderr"])
        parts = chance.choice([1, 1, 1, 3])
        for part in range(parts):
            text = f"{len(whole)}"
            whole.append(LogChunk(at, stream, text, complete=part == parts - 1))
    place, seen, at_line = Place(0), [], 0
    while at_line < len(whole):
        end = at_line + chance.randrange(1, 40)
        served = whole[at_line:end]
        files = [n for n in range(at_line) if whole[n].at < whole[at_line].at - SECOND]
        if files and chance.random() < 0.3:  # from the beginning of some file again
            served += whole[chance.choice(files) : at_line]
        seen += read(place, served, chance.randrange(1, 9))
        if place.back or chance.random() < 0.5:
            place.again()
            at_line = next(
                n
                for n, chunk in enumerate([*whole, None])
                if chunk is None or chunk.at >= place.at
            )
        else:
            at_line = end
    assert seen == whole


# --- Read from the end ---------------------------------------------------------
def read_rest(place, whole, size):
    """What it gives of a log that is over, and how much the engine had to give."""
    place.again()
    given = 0
    for lines in place.ends:
        joins, seen = None, []
        for batch in batches(whole[-lines:], size):
            given += len(batch)
            joins = joins or place.joins(batch)
            if joins is False:
                break
            if joins:
                seen += place.fresh(batch, whole=True)
        if joins is not False:
            return seen, given
    rest = [chunk for chunk in whole if chunk.at >= place.at]
    return place.fresh(rest, whole=True), given + len(rest)


def spread(many, gap=10_000_000):
    return [LogChunk(SECOND + n * gap, "stdout", str(n)) for n in range(many)]


@pytest.mark.parametrize("unread", [0, 1, 100, 200, 3000, 15000])
def test_the_rest_of_a_long_log_is_read_from_its_end(unread):
    whole = spread(40_000)
    place = Place(0)
    place.fresh(whole[: len(whole) - unread])
    seen, given = read_rest(place, whole, 50)
    assert seen == whole[len(whole) - unread :]
    assert given < 4 * unread + 2500


def test_more_than_is_looked_for_from_the_end_is_read_by_time():
    whole = spread(40_000)
    place = Place(0)
    place.fresh(whole[:5000])
    assert read_rest(place, whole, 50)[0] == whole[5000:]


@pytest.mark.parametrize("unread", [0, 1, 100, 3000, 15000])
def test_who_says_what_is_known_gets_the_rest_from_the_end(unread):
    whole = spread(40_000)
    last = whole[-1 - unread].at
    place = Place(last - SECOND, Known(120, last))
    seen, given = read_rest(place, whole, 50)
    assert seen == whole[len(whole) - unread - 101 :]
    assert given < 4 * unread + 2500


def test_old_parts_of_long_lines_join_nothing():
    """Both streams had lines open, whose parts look as if they were long read."""
    parts = [
        LogChunk(SECOND + n % 2, ("stdout", "stderr")[n % 2], "part", complete=False)
        for n in range(600)
    ]
    whole = [*spread(2000), *spread(3000)[2000:], *parts]
    place = Place(0)
    place.again()
    place.at = whole[2000].at
    assert place.joins(parts) is None
    assert place.joins(whole[2500:]) is False


def one_log(chance):
    """Two streams out of order, and long lines whose parts come much later."""
    whole, at, grows = [], SECOND, {}
    while len(whole) < 2000:
        at += chance.choice([0, 1, 1000, 5_000_000, 40_000_000])
        stream = chance.choice(["stdout", "stderr"])
        begun = grows.pop(stream, 0) or at - chance.choice([0, 0, 90_000_000])
        complete = chance.random() < 0.9
        if not complete:
            grows[stream] = begun
        whole.append(LogChunk(begun, stream, str(len(whole)), complete))
    return whole


@pytest.mark.parametrize("seed", range(40))
def test_read_from_the_end_or_by_time_every_line_comes_once(seed):
    chance = random.Random(seed)
    whole = one_log(chance)
    place, seen, at = Place(0), [], 0
    while at < len(whole):
        end = at + chance.choice([1, 30, 300, 1000])
        seen += read_rest(place, whole[:end], chance.choice([1, 7, 300]))[0]
        at = end
    assert seen == whole
