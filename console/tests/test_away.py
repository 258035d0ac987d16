"""A database that is away is told as that, and no long answer keeps a connection."""

from __future__ import annotations

import gc
import os
import signal
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import psycopg_pool
import pytest
from django.db import InterfaceError, InternalError, OperationalError, connection
from django.http import HttpResponse, StreamingHttpResponse
from django.test import AsyncRequestFactory

from console import errors, space
from console.api import explain
from console.away import is_away, is_busy
from console.middleware import LetGo
from console.models import User
from console.postgres import base
from tests import postgres

AWAY = [
    psycopg.OperationalError("connection refused"),
    psycopg_pool.PoolTimeout("couldn't get a connection after 10.00 sec"),
    psycopg.errors.AdminShutdown("terminating connection"),
    psycopg.errors.CannotConnectNow("the database system is starting up"),
    psycopg.errors.TooManyConnections("sorry, too many clients already"),
    psycopg.errors.ConnectionFailure("connection failure"),
]
BUSY = [
    psycopg.errors.DeadlockDetected("deadlock detected"),
    psycopg.errors.LockNotAvailable("canceling statement due to lock timeout"),
]
THERE = [
    *BUSY,
    psycopg.errors.DiskFull("could not extend file"),
    None,
]


def raised(cause, kind=OperationalError):
    try:
        raise kind(str(cause)) from cause
    except kind as error:
        return error


@pytest.mark.parametrize("cause", AWAY, ids=lambda one: type(one).__name__)
def test_what_a_server_that_is_away_says(cause):
    assert is_away(raised(cause))
    assert is_away(raised(cause, InterfaceError))


def test_a_session_that_was_ended_for_its_silence():
    ended = psycopg.errors.IdleInTransactionSessionTimeout("terminating connection")
    assert is_away(raised(ended, InternalError))
    failed = psycopg.errors.InFailedSqlTransaction("current transaction is aborted")
    assert not is_away(raised(failed, InternalError))


@pytest.mark.parametrize("cause", BUSY, ids=lambda one: type(one).__name__)
def test_what_one_says_that_is_busy(cause):
    assert is_busy(raised(cause))


def test_what_sqlite_says_that_is_busy(tmp_path):
    with (
        closing(sqlite3.connect(tmp_path / "one", isolation_level=None)) as first,
        closing(sqlite3.connect(tmp_path / "one", timeout=0)) as second,
    ):
        first.execute("begin immediate")
        with pytest.raises(sqlite3.OperationalError) as locked:
            second.execute("begin immediate")
        with pytest.raises(sqlite3.OperationalError) as wrong:
            second.execute("select nothing")
    assert is_busy(raised(locked.value))
    assert not is_busy(raised(wrong.value))


@pytest.mark.parametrize("cause", [*AWAY, None], ids=lambda one: type(one).__name__)
def test_one_that_is_away_is_not_busy(cause):
    assert not is_busy(raised(cause))
    assert not is_busy(cause)


@pytest.mark.parametrize("cause", THERE, ids=lambda one: type(one).__name__)
def test_what_one_that_is_there_says(cause):
    assert not is_away(raised(cause))
    assert not is_away(cause)


def test_the_page_says_that_it_goes_on_by_itself(rf):
    try:
        raise OperationalError from AWAY[0]
    except OperationalError:
        answer = errors.broken(rf.get("/endpoints/"))
    page = answer.content.decode()
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "The console’s database does not answer" in page
    assert "It goes on by itself once the database answers" in page
    assert "make doctor" in page


def test_the_api_says_so_too(rf):
    answer = explain(raised(AWAY[0]), {"request": rf.get("/v1/endpoints")})
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.data["error"]["code"] == "database_away"
    assert "make doctor says why" in answer.data["error"]["message"]


def test_a_busy_one_is_told_as_that(rf):
    try:
        raise OperationalError from BUSY[1]
    except OperationalError as error:
        page = errors.broken(rf.get("/endpoints/"))
        told = explain(error, {"request": rf.get("/v1/endpoints")})
    for answer in (page, told):
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert told.data["error"]["code"] == "database_busy"
    assert "The console’s database is busy" in page.content.decode()
    assert "Try it again in a moment" in page.content.decode()


def test_a_full_disk_of_the_database_is_named(rf, settings, monkeypatch):
    settings.ALIGHT_DATABASE_URL = "postgres://alight@db/alight"
    monkeypatch.setattr(space, "free", lambda: 10**9)
    full = raised(psycopg.errors.DiskFull("could not extend file"))
    answer = explain(full, {"request": rf.get("/v1/endpoints")})
    assert answer.status_code == 507
    assert "where its PostgreSQL is" in answer.data["error"]["message"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("answer", "keeps"), [(StreamingHttpResponse, False), (HttpResponse, True)]
)
def test_only_a_short_answer_keeps_its_connection(answer, keeps):
    def view(request):
        User.objects.exists()
        return answer()

    LetGo(view)(AsyncRequestFactory().get("/"))
    assert (connection.connection is not None) is keeps


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_one_that_says_nothing_is_left_for_another(monkeypatch):
    monkeypatch.setattr(base, "_PATIENCE", 0.5)

    def ask():
        with connection.cursor() as cursor:
            pid = connection.connection.info.backend_pid
            cursor.execute("select 1")
        # Back into the pool.
        connection.close()
        return pid

    connection.close()
    with ThreadPoolExecutor(1) as pool:
        silent = pool.submit(ask).result()
        os.kill(silent, signal.SIGSTOP)
        try:
            others = pool.submit(ask).result(timeout=60)
        finally:
            os.kill(silent, signal.SIGCONT)
    assert others != silent


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_one_that_was_ended_is_left_for_another():
    with connection.cursor() as cursor:
        ended = connection.connection.info.backend_pid
    connection.close()
    with psycopg.connect(postgres.SERVER, autocommit=True) as link:
        link.execute("select pg_terminate_backend(%s, 60000)", [ended])
    with connection.cursor() as cursor:
        cursor.execute("select 1")
        assert connection.connection.info.backend_pid != ended


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_a_thread_that_ends_with_its_connection_costs_the_pool_none(settings):
    def forget():
        User.objects.exists()

    User.objects.exists()
    # Tests before this one left some, idle or in threads that live on: each of ours may
    # find none free, but the one before has given its own back.
    before = connection.pool.get_stats()["pool_size"]
    for _ in range(settings.ALIGHT_DATABASE_CONNECTIONS + 3):
        thread = threading.Thread(target=forget)
        thread.start()
        thread.join()
        gc.collect()
    assert connection.pool.get_stats()["pool_size"] <= before + 2
