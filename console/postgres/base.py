"""Django's PostgreSQL backend, for a server that comes back and for any text.

A server that was restarted has ended every connection in the pool: whoever meets the
first of them takes them all out, instead of trying one after the other. One that froze
has ended none, and says nothing: whoever begins meanwhile is told so in time. A thread
that ended without giving its connection back would cost the pool one for good: the next
who asks brings it back.
"""

from __future__ import annotations

import select
import time
import weakref
from collections import deque
from contextlib import suppress
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg.pq import ExecStatus
from psycopg_pool import ConnectionPool

from console.postgres.text import Operations, keep_any_text

# Seconds a connection that lay in the pool has to say that it is there.
_PATIENCE = 5.0


class DatabaseWrapper(base.DatabaseWrapper):
    ops_class = Operations
    pool: ConnectionPool | None

    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        params["context"] = keep_any_text(params["context"])
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        _bring_back()
        connection = super().get_new_connection(conn_params)
        if self.pool is None:
            return connection
        if not _answers(connection):
            connection.close()
            self.pool.putconn(connection)
            self.pool.drain()
            connection = super().get_new_connection(conn_params)
        # Runs wherever rubbish is collected, so it takes no lock.
        self._forgetting = weakref.finalize(self, _FORGOTTEN.append, connection)
        return connection

    def _close(self) -> None:
        if forgetting := getattr(self, "_forgetting", None):
            forgetting.detach()
        super()._close()  # type: ignore[misc]  # its stub leaves it out


# Taken from the pool by threads that are no more.
_FORGOTTEN: deque[Any] = deque()


def _bring_back() -> None:
    with suppress(IndexError):
        while True:
            connection = _FORGOTTEN.popleft()
            with suppress(psycopg.Error, ValueError):
                connection._pool.putconn(connection)


def _answers(connection: psycopg.Connection) -> bool:
    """Asked by libpq alone: psycopg itself waits for as long as it takes."""
    link = connection.pgconn
    told, deadline = select.poll(), time.monotonic() + _PATIENCE
    try:
        link.send_query(b"")
        told.register(link.socket, select.POLLIN)
        while link.is_busy():
            left = max(0.0, deadline - time.monotonic())
            if not told.poll(left * 1000):
                return False
            link.consume_input()
        found = link.get_result()
        there = found is not None and found.status == ExecStatus.EMPTY_QUERY
        while found is not None:
            found = link.get_result()
    except psycopg.Error:
        return False
    return there
