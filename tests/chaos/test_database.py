"""Each fault of a PostgreSQL befalls a real one, which answers when it is over."""

import threading
import time
from types import SimpleNamespace

import psycopg
import pytest

from tests.chaos.faults.database import STRIKES
from tests.chaos.faults.missed import Missed
from tests.chaos.server import own_server

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with own_server(tmp_path_factory.mktemp("own")) as made:
        with psycopg.connect(made.address) as link:
            link.execute("create table kept (number int)")
        yield made


@pytest.fixture
def stage(server):
    """In place of the whole stage: it waits for no time, but does what `meanwhile` has
    to be done while the fault lasts."""
    made = SimpleNamespace(server=server, over=threading.Event(), meanwhile=list)
    made.wait = lambda _: made.meanwhile()
    return made


SECONDS = 60


def refused(server, patience=SECONDS):
    """Why a new session does not get in; "" for one that does."""
    try:
        psycopg.connect(server.address, connect_timeout=patience).close()
    except psycopg.OperationalError as error:
        return str(error)
    return ""


def strike(stage, kind, patience=SECONDS, **args):
    """Why new sessions were refused while it lasted. They get in after it, once those
    that were there have gone."""
    seen, deadline = [], time.monotonic() + SECONDS
    stage.meanwhile = lambda: seen.append(refused(stage.server, patience))
    STRIKES[kind](stage, **args)
    while why := refused(stage.server):
        assert time.monotonic() < deadline, why
    return seen


def written(server):
    """What was committed is there, and more can be written."""
    with psycopg.connect(server.address) as link:
        link.execute("insert into kept select coalesce(max(number), 0) + 1 from kept")
        return link.execute("select max(number), count(*) from kept").fetchone()


@pytest.mark.parametrize(
    ("kind", "args", "says"),
    [
        ("database restarted", {"seconds": 1}, "No such file"),
        ("database killed", {"seconds": 1}, "refused"),
        # It takes connections and says nothing: two seconds are libpq's least.
        ("database frozen", {"seconds": 1, "patience": 2}, "timeout expired"),
        ("database full of sessions", {"seconds": 1}, "remaining connection slots"),
    ],
)
def test_nobody_gets_in_until_it_is_over(stage, server, kind, args, says):
    before, _ = written(server)
    (told,) = strike(stage, kind, **args)
    assert says in told
    assert written(server) == (before + 1, before + 1)


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("database session killed", {"which": 3}),
        ("database sessions ended", {"times": 1}),
    ],
)
def test_sessions_end_and_new_ones_get_in(stage, server, kind, args):
    with psycopg.connect(server.address) as link:
        link.execute("insert into kept values (0)")
        strike(stage, kind, **args)
        with pytest.raises(psycopg.OperationalError):
            link.execute("select 1")
    with psycopg.connect(server.address) as link:
        lost = link.execute("select count(*) from kept where number = 0").fetchone()
    assert lost == (0,)


def test_a_frozen_session_keeps_its_rows_and_others_get_in(stage, server):
    written(server)
    with psycopg.connect(server.address) as link:
        link.execute("update kept set number = number")
        assert strike(stage, "database session frozen", which=0, seconds=1) == [""]
        link.rollback()


@pytest.mark.parametrize("of", ["rows", "log"])
def test_a_full_disk_costs_nothing_that_was_committed(stage, server, of):
    before, _ = written(server)

    def fill():
        with pytest.raises(psycopg.Error), psycopg.connect(server.address) as link:
            link.execute("create table big as select repeat('x', 999) from "
                         "generate_series(1, 99999)")  # fmt: skip

    stage.meanwhile = fill
    STRIKES["database disk full"](stage, of=of, seconds=1)
    assert written(server) == (before + 1, before + 1)


def test_without_a_session_there_is_nothing_to_end(stage):
    with pytest.raises(Missed):
        STRIKES["database sessions ended"](stage, times=1)
