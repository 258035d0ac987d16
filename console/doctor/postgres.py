"""The PostgreSQL: whether it lets us in, and has what we need."""

from __future__ import annotations

import psycopg
from django.conf import settings
from psycopg.conninfo import make_conninfo

from console.doctor.finding import Finding, fine, note, wrong
from endpoints import advice
from launcher.database import Postgres
from replicas.runner.threads import SLOW_THREADS

_PATIENCE = 4
# The oldest that Django talks to.
_OLDEST = 14
# Processes that keep connections: web and worker.
_KEEPERS = 2
# What those of the worker that wait for nobody need at least.
_SPARE = 2


def look(server: Postgres) -> tuple[list[Finding], bool]:
    """What there is to say, and whether it answers."""
    try:
        # What libpq does not know is refused here already.
        words = make_conninfo(**{**server.words, "connect_timeout": str(_PATIENCE)})
        with psycopg.connect(words, autocommit=True) as link:
            told = _facts(link)
    except psycopg.Error as error:
        return [unreachable(server, str(error))], False
    return judge(server, *told), True


def unreachable(server: Postgres, error: str) -> Finding:
    """error: libpq's words, a line each place it tried."""
    last = error.strip().splitlines()[-1] if error.strip() else "no answer"
    runs = "Look whether it runs"
    if advice.by_compose():
        runs += f" ({advice.status()}; {advice.log('postgres')})"
    return wrong(
        f"The PostgreSQL does not let us in ({server.place}): {last.strip()}",
        f"{runs}, and at ALIGHT_DATABASE_URL and ALIGHT_DATABASE_PASSWORD. All goes on "
        "by itself once it answers.",
    )


def _facts(link: psycopg.Connection) -> tuple[int, str, int, int]:
    row = link.execute(
        "select current_setting('server_version_num')::int / 10000,"
        " current_setting('server_encoding'),"
        " current_setting('max_connections')::int"
        " - current_setting('superuser_reserved_connections')::int,"
        " pg_database_size(current_database())"
    ).fetchone()
    assert row is not None  # noqa: S101 - a select without a table has a row
    return row


def judge(
    server: Postgres, version: int, encoding: str, room: int, size: int
) -> list[Finding]:
    """room: connections it has for everybody. size: bytes."""
    found = []
    if version < _OLDEST:
        found.append(
            wrong(
                f"PostgreSQL {version} is too old.",
                f"Alight needs {_OLDEST} or newer.",
            )
        )
    if encoding != "UTF8":
        found.append(
            wrong(
                f"{server.place} keeps its text as {encoding}.",
                "Make it anew: create database … encoding 'UTF8' template template0;",
            )
        )
    wanted = _KEEPERS * settings.ALIGHT_DATABASE_CONNECTIONS
    if room <= wanted:
        found.append(
            wrong(
                f"The server has room for {room} connections; web and worker may take "
                f"{wanted}.",
                "Raise its max_connections, or lower ALIGHT_DATABASE_CONNECTIONS.",
            )
        )
    waiting = settings.ALIGHT_WORKER_THREADS + SLOW_THREADS
    least = waiting + _SPARE
    if least > settings.ALIGHT_DATABASE_CONNECTIONS:
        found.append(
            note(
                f"{waiting} threads of the worker may wait for the engine, each with a "
                "connection: ALIGHT_DATABASE_CONNECTIONS leaves too few for the rest.",
                f"Set it to {least} or more, or lower ALIGHT_WORKER_THREADS.",
            )
        )
    told = f"PostgreSQL {version}, {server.place}, {size / 1e6:.1f} MB."
    return found or [fine(told)]
