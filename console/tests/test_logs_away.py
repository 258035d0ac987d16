"""A database that is away for a night does not fill the disk with what it let fail."""

import logging

import psycopg
import pytest
from django.db import OperationalError

from console import logs
from console.logs import Away


@pytest.fixture
def clock(monkeypatch):
    made = [1000.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: made[0])
    return made


class Kept(logging.Handler):
    """lines: what was written."""

    def __init__(self):
        super().__init__()
        self.lines = []
        self.addFilter(Away())

    def emit(self, record):
        self.lines.append(logging.Formatter("%(message)s").format(record))


@pytest.fixture
def kept():
    return Kept()


@pytest.fixture
def lines(kept):
    return kept.lines


@pytest.fixture
def log(kept):
    """Of some part of the worker, and of nobody else."""
    made = logging.getLogger("alight.test.part")
    made.addHandler(kept)
    yield made
    made.removeHandler(kept)


def fails(log, cause, part="Sweeper"):
    try:
        raise OperationalError(str(cause)) from cause
    except OperationalError:
        log.exception("%s could not look", part)


GONE = psycopg.OperationalError("connection refused")
SAID = "Sweeper could not look: the database does not answer: connection refused"


def test_it_is_said_once_a_minute_and_in_one_line(log, lines, clock):
    for _ in range(20):
        fails(log, GONE)
        clock[0] += 3
    assert lines == [SAID]
    fails(log, GONE)
    assert lines == [SAID, SAID]


def test_every_other_failure_is_told_each_time_and_whole(log, lines, clock):
    for _ in range(2):
        fails(log, psycopg.errors.DeadlockDetected("deadlock"))
        log.warning("The engine does not answer")
    assert len(lines) == 4
    assert "Traceback" in lines[0]
    assert lines[1] == "The engine does not answer"


def test_why_there_is_no_connection_is_said_now_and_then(kept, clock):
    for number in range(4):
        told = {"name": "psycopg.pool", "lineno": 7, "msg": f"no connection: {number}"}
        kept.handle(logging.makeLogRecord(told))
        clock[0] += 20
    assert kept.lines == ["no connection: 0", "no connection: 3"]
