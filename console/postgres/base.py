"""Django's PostgreSQL backend, for a server that comes back and for any text.

A server that was restarted has ended every connection in the pool: whoever meets the
first of them takes them all out, instead of trying one after the other.
"""

from __future__ import annotations

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
        connection = super().get_new_connection(conn_params)
        if self.pool is None or _answers(connection):
            return connection
        self.pool.putconn(connection)
        self.pool.drain()
        return super().get_new_connection(conn_params)


def _answers(connection: psycopg.Connection) -> bool:
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.Error:
        return False
    return True
