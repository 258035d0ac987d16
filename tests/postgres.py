"""A PostgreSQL for this run, which `make test-postgres` names; without one, SQLite.

A lane has a database of its own in that server, and so has each console.
"""

import os
import secrets
from urllib.parse import urlsplit, urlunsplit

import psycopg

from launcher.database import read_url

SERVER = os.environ.get("ALIGHT_TEST_POSTGRES", "")


def address(name):
    """Of a database of that name in the run's server."""
    return urlunsplit(urlsplit(SERVER)._replace(path=f"/{name}"))


def own_name():
    return f"alight_{os.getpid()}_{secrets.token_hex(3)}"


def make_database():
    """An empty one; its address."""
    name = own_name()
    _tell(f'create database "{name}"')
    return address(name)


def drop_database(url):
    """Whoever is still connected is thrown out, however long it takes them."""
    name = read_url(url).name
    with psycopg.connect(SERVER, autocommit=True) as link:
        # Pools would open anew what is ended here, and "force" waits for five seconds.
        shut = "update pg_database set datallowconn = false where datname = %s"
        link.execute(shut, [name])
        end = "select pg_terminate_backend(pid, 60000) from pg_stat_activity"
        link.execute(f"{end} where datname = %s", [name])
        link.execute(f'drop database if exists "{name}" with (force)')


def _tell(sql):
    with psycopg.connect(SERVER, autocommit=True) as link:
        link.execute(sql)
