"""The rows of a running console, read beside it: whichever database it has."""

import sqlite3
from contextlib import closing, contextmanager

import psycopg

from launcher.database import chosen

# What reading may raise.
CannotRead = (sqlite3.Error, psycopg.Error)


@contextmanager
def reading(console):
    """Gives a function of a query; all answers are of one moment."""
    server = chosen(console.env)
    if server:
        link = psycopg.connect(psycopg.conninfo.make_conninfo(**server.words))
        link.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        link.read_only = True
    else:
        path = console.home / "alight.sqlite3"
        link = sqlite3.connect(path, timeout=30, isolation_level=None)
        link.execute("pragma query_only = on")
        link.execute("begin")
    with closing(link):
        yield lambda query: link.execute(query).fetchall()


def rows(console, query):
    with reading(console) as ask:
        return ask(query)


def tables(console):
    """{name: all its rows} of everything there is."""
    names = (
        "select tablename from pg_tables where schemaname = 'public'"
        if chosen(console.env)
        else "select name from sqlite_master where type = 'table'"
    )
    with reading(console) as ask:
        return {name: ask(f'select * from "{name}"') for (name,) in ask(names)}


@contextmanager
def locked(console):
    """No process changes a row meanwhile."""
    server = chosen(console.env)
    if server:
        link = psycopg.connect(psycopg.conninfo.make_conninfo(**server.words))
        found = link.execute(
            "select tablename from pg_tables where schemaname='public'"
        )
        names = ", ".join(f'"{name}"' for (name,) in found.fetchall())
        link.execute(f"lock table {names} in exclusive mode")
    else:
        path = console.home / "alight.sqlite3"
        link = sqlite3.connect(path, timeout=30, isolation_level=None)
        link.execute("begin immediate")
    with closing(link):
        yield
        link.rollback()
