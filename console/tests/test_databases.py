"""What settings say of a PostgreSQL, and what becomes of words that none knows."""

from __future__ import annotations

import pytest
from django.db import connection

from console.databases import postgres
from console.doctor import postgres as doctor
from console.doctor.finding import Level
from console.moving import ways
from launcher.database import read_url


def test_words_for_the_server_come_beside_ours():
    url = "postgres://alight@db/lab?options=-c%20search_path%3Dlab&sslmode=require"
    options = postgres(url, "", 20)["OPTIONS"]
    assert options["sslmode"] == "require"
    ours = "-c lock_timeout=20s -c idle_in_transaction_session_timeout=120s"
    assert options["options"] == f"{ours} -c search_path=lab"
    assert postgres("postgres://db/lab", "", 20)["OPTIONS"]["options"] == ours


def test_a_word_that_libpq_does_not_know_is_named():
    server = read_url("postgres://alight:secret@db/lab?sslmod=require")
    (found,), answers = doctor.look(server)
    assert not answers
    assert "sslmod" in found.text
    assert "secret" not in found.text


SERVER = read_url("postgres://alight@db/lab")


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ((15, "UTF8", 97, 8_000_000), ["PostgreSQL 15, lab at db, 8.0 MB."]),
        ((13, "UTF8", 97, 0), ["PostgreSQL 13 is too old."]),
        ((15, "LATIN1", 97, 0), ["lab at db keeps its text as LATIN1."]),
        (
            (15, "UTF8", 40, 0),
            [
                "The server has room for 40 connections; web and worker may take 40.",
            ],
        ),
    ],
)
def test_what_a_server_has_to_be(facts, says):
    assert [one.text for one in doctor.judge(SERVER, *facts)] == says


@pytest.mark.parametrize(("connections", "enough"), [(18, True), (17, False)])
def test_threads_that_wait_for_the_engine_leave_connections_for_others(
    settings, connections, enough
):
    settings.ALIGHT_WORKER_THREADS = 8
    settings.ALIGHT_DATABASE_CONNECTIONS = connections
    (found,) = doctor.judge(SERVER, 15, "UTF8", 97, 0)
    assert (found.level == Level.OK) is enough
    if not enough:
        assert found.mend.startswith("Set it to 18 or more")


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_what_is_read_stands_still_for_as_long_as_that_takes(monkeypatch):
    monkeypatch.setattr(ways, "_SOURCE", "default")
    with ways._one_moment(), connection.cursor() as cursor:
        for name, value in (
            ("idle_in_transaction_session_timeout", "0"),
            ("transaction_isolation", "repeatable read"),
            ("transaction_read_only", "on"),
        ):
            cursor.execute("select current_setting(%s)", [name])
            assert cursor.fetchone() == (value,), name
