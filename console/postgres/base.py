"""Django's PostgreSQL backend, for a server that comes back and for any text.

A server that was restarted has ended every connection in the pool: whoever meets the
first of them takes them all out, instead of trying one after the other. A thread that
ended without giving its connection back would cost the pool one for good: the next who
asks brings it back.
"""

from __future__ import annotations

import weakref
from collections import deque
from contextlib import suppress
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool

from console.postgres.text import Operations, keep_any_text


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
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.Error:
        return False
    return True
