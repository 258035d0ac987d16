"""Floods: what is kept, what is left out, and that neither is counted twice."""

import random

import pytest

from replicas.engine.base import LOST, LogChunk
from replicas.logs import files, flood, resume
from replicas.logs.flood import GAP, Budget
from replicas.logs.records import GAP as GAP_FLAGS
from replicas.logs.records import Attempt, Draft

OWNER = Attempt(1, 7, 1)
SECOND = 1_000_000_000


@pytest.fixture(autouse=True)
def log_dir(settings, tmp_path):
    settings.ALIGHT_LOG_DIR = tmp_path / "logs"


def line(at, letters=100):
    return LogChunk(at, "stdout", "x" * letters)


def test_within_the_budget_nothing_is_touched():
    budget = Budget(60_000, now=0)
    lines = [line(n) for n in range(600)]
    assert budget.take(lines, now=0) is lines
    # A second later there is room for a sixtieth.
    assert len(budget.take(lines, now=1)) == 10


def test_a_flood_is_left_out_and_said_once():
    budget = Budget(60_000, now=0)
    kept = budget.take([line(n) for n in range(1000)], now=0)
    assert [one.at for one in kept] == list(range(600))
    assert budget.take([line(1000)], now=0.5) == []
    # A sixth of a minute's has to be there before lines are kept again.
    assert budget.take([line(1001)], now=9) == []
    said, first = budget.take([line(1002)], now=11)
    assert (said.at, said.stream) == (1001, GAP)
    assert said.text == (
        "402 lines were left out here (0.0 MB): this container wrote more than 0 MB in"
        " a minute."
    )
    assert first.at == 1002
    assert budget.said() == []


def test_what_shares_a_time_with_what_was_left_out_goes_as_well():
    budget = Budget(1000, now=0)
    budget.take([line(n) for n in range(11)], now=0)
    assert [one.at for one in budget.take([line(10), line(11)], now=60)] == [10, 11]


def test_the_end_says_what_was_left_out():
    budget = Budget(100, now=0)
    budget.take([line(1), line(2)], now=0)
    (said,) = budget.said()
    assert said.text.startswith("1 line was left out here")


def test_lost_lines_are_said_only_where_they_were_not_read():
    chunk = LogChunk(1_700_000_009_500_000_000, LOST, "1700000000000000000")
    (said,) = flood.lost_line(chunk, last=1_700_000_001_250_000_000)
    assert said.at == chunk.at - 1
    assert said.text.startswith(
        "Lines written between 22:13:21.250 and 22:13:29.500 were lost"
    )
    assert flood.lost_line(chunk, last=chunk.at) == []


# --- Kept, left out, and read again ---------------------------------------------
def write(file, lines):
    letters = {"stdout": "oi-", "stderr": "ei-", GAP: GAP_FLAGS}
    file.append([Draft(one.at, letters[one.stream], one.text) for one in lines])


@pytest.mark.parametrize("seed", range(25))
def test_a_restart_anywhere_counts_every_line_once(seed, log_dir):
    """The follower dies before, between and after writing; each time another begins
    with what the engine has from there. Kept or left out, every line is one of both.
    """
    chance = random.Random(seed)
    at, whole = 1_000 * SECOND, []
    for n in range(400):
        at += chance.choice([0, 1, 500, SECOND])
        stream = chance.choice(["stdout", "stderr"])
        whole.append(LogChunk(at, stream, f"{n} " + "x" * chance.randrange(40)))
    file = files.LogFile(OWNER)
    now = done = 0
    while done < len(whole):
        place = resume.position(OWNER, now=at, margin=2 * SECOND)
        budget = Budget(chance.choice([200, 2_000, 0]), now=now)
        served = [one for one in whole if one.at >= place.since]
        while served:
            batch, served = served[:17], served[17:]
            now += chance.random() * 20
            lines = budget.take(place.fresh(batch), now)
            if chance.random() < 0.1:
                break  # killed before writing
            if lines:
                write(file, lines)
        else:
            if said := budget.said():
                write(file, said)
            done = len(whole)
    records = [r for block in files.blocks(OWNER) for r in block]
    first = [(r.flags == GAP_FLAGS, int(r.text.split(" ")[0])) for r in records]
    kept = [number for is_gap, number in first if not is_gap]
    assert kept == sorted(set(kept))
    assert len(kept) + sum(many for is_gap, many in first if is_gap) == len(whole)


@pytest.mark.parametrize("cut", range(160))
def test_a_file_cut_at_every_byte_goes_on_without_gap_or_double(cut):
    whole = [LogChunk(5 * SECOND + n * 7, "stdout", f"line {n}") for n in range(6)]
    file = files.LogFile(OWNER)
    write(file, whole[:5])
    path = files.log_path(OWNER)
    data = path.read_bytes()
    assert len(data) < 160
    path.write_bytes(data[:cut])  # as a crash in the middle of writing leaves it
    file.close()
    place = resume.position(OWNER, now=9 * SECOND, margin=2 * SECOND)
    again = files.LogFile(OWNER)
    served = [one for one in whole if one.at >= place.since]
    if fresh := place.fresh(served):
        write(again, fresh)
    again.close()
    records = [r for block in files.blocks(OWNER) for r in block]
    assert [r.text for r in records] == [one.text for one in whole]
    assert [r.n for r in records] == list(range(1, 7))
