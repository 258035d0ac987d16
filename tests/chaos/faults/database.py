"""A PostgreSQL: away, killed, frozen, without room, its sessions ended."""

import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg

from tests.chaos.faults.missed import Missed, send
from tests.chaos.server import USER

# Seconds until one of the console's sessions is seen, and until it has recovered.
_SEEN, _RECOVERED = 3, 60
# Those at work first: they have begun what they do not end.
_SESSIONS = """
    select pid from pg_stat_activity where usename = %s and pid <> pg_backend_pid()
    order by state = 'idle', pid"""


def _restart(stage, seconds):
    """As `systemctl restart postgresql` does: who is connected is thrown out."""
    _away(stage, stage.server.postgres.stop, seconds)


def _crash(stage, seconds):
    """kill -9 of all of it, as when the machine ends; it recovers as it starts."""
    _away(stage, stage.server.postgres.crash, seconds)


def _away(stage, end, seconds):
    end()
    try:
        stage.wait(seconds)
    finally:
        stage.server.postgres.start()


def _freeze(stage, seconds):
    stage.server.postgres.freeze()
    try:
        stage.wait(seconds)
    finally:
        stage.server.postgres.thaw()


def _kill_session(stage, which):
    """kill -9: the server ends all others as well and recovers by itself."""
    pid = _session(stage, which)
    send(pid, signal.SIGKILL)
    _buried(pid)
    _recovered(stage)


def _freeze_session(stage, which, seconds):
    """It keeps whatever it holds, and who waits for it waits."""
    pid = _session(stage, which)
    send(pid, signal.SIGSTOP)
    try:
        stage.wait(seconds)
    finally:
        with suppress(Missed):
            send(pid, signal.SIGCONT)


def _session(stage, which):
    """The pid of one of the console's."""
    deadline = time.monotonic() + _SEEN
    while time.monotonic() < deadline and not stage.over.is_set():
        if found := stage.server.ask(_SESSIONS, USER):
            return found[which % len(found)][0]
        stage.wait(0.02)
    words = "nobody was connected"
    raise Missed(words)


def _end_sessions(stage, times):
    """As an administrator does who wants to have the database for themselves."""
    ended = 0
    for _ in range(times):
        ask = "select pg_terminate_backend(pid) from pg_stat_activity where usename=%s"
        ended += len(stage.server.ask(ask, USER))
        stage.wait(0.5)
    if not ended:
        words = "nobody was connected"
        raise Missed(words)


def _fill_with_sessions(stage, seconds):
    """Somebody else takes all that are left, so that new ones are refused."""
    with ExitStack() as links:
        with suppress(psycopg.OperationalError):
            while True:
                links.enter_context(psycopg.connect(stage.server.address))
        stage.wait(seconds)


def _fill_disk(stage, of, seconds):
    """of: whether rows find no room, or its log as well, without which it ends."""
    # Before it is full: then it may have no room for a new session.
    with psycopg.connect(stage.server.postgres.address, autocommit=True) as link:
        stage.server.disk.fill()
        try:
            if of == "log":
                _log_more(link)
            stage.wait(seconds)
        finally:
            stage.server.disk.free()
            _recovered(stage)


def _log_more(link):
    """Have its log go on in a new file, for which there is no room."""
    pid = link.info.backend_pid
    try:
        link.execute("select pg_switch_wal()")
    except psycopg.OperationalError:
        _buried(pid)


def _buried(pid):
    """Once the server has seen that it ended: from then on it lets nobody in."""
    deadline = time.monotonic() + _RECOVERED
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, f"{pid} has not ended"
        time.sleep(0.01)


def _recovered(stage):
    """Once it takes questions; somebody starts it again where it ended."""
    postgres, deadline = stage.server.postgres, time.monotonic() + _RECOVERED
    while not postgres.takes_questions():
        if not postgres.runs:
            postgres.start()
        assert time.monotonic() < deadline, stage.server.log()
        time.sleep(0.05)


STRIKES = {
    "database restarted": _restart,
    "database killed": _crash,
    "database frozen": _freeze,
    "database session killed": _kill_session,
    "database session frozen": _freeze_session,
    "database sessions ended": _end_sessions,
    "database full of sessions": _fill_with_sessions,
    "database disk full": _fill_disk,
}
