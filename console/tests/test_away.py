"""A database that is away is told as that, and no long answer keeps a connection."""

from __future__ import annotations

import gc
import threading

import psycopg
import psycopg_pool
import pytest
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpResponse, StreamingHttpResponse
from django.test import AsyncRequestFactory

from console import errors, space
from console.api import explain
from console.away import is_away
from console.middleware import LetGo
from console.models import User

AWAY = [
    psycopg.OperationalError("connection refused"),
    psycopg_pool.PoolTimeout("couldn't get a connection after 10.00 sec"),
    psycopg.errors.AdminShutdown("terminating connection"),
    psycopg.errors.CannotConnectNow("the database system is starting up"),
    psycopg.errors.TooManyConnections("sorry, too many clients already"),
    psycopg.errors.ConnectionFailure("connection failure"),
]
THERE = [
    psycopg.errors.DeadlockDetected("deadlock detected"),
    psycopg.errors.LockNotAvailable("canceling statement due to lock timeout"),
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
def test_a_thread_that_ends_with_its_connection_costs_the_pool_none(settings):
    def forget():
        User.objects.exists()

    for _ in range(settings.ALIGHT_DATABASE_CONNECTIONS + 3):
        thread = threading.Thread(target=forget)
        thread.start()
        thread.join()
        gc.collect()
    assert connection.pool.get_stats()["pool_size"] <= 3
