"""/healthz and /readyz: what they touch, and what they tell strangers."""

import socket
import threading

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder

from console import health

SENTENCES = {
    "database": "The database does not answer.",
    "migrations": "1 migrations are not applied: manage.py migrate",
    "valkey": "Valkey does not answer.",
    "ingress": "The ingress does not answer.",
}


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """What is there counts as there, however busy the machine is."""
    monkeypatch.setattr(health, "_PATIENCE", 60)


@pytest.fixture
def ingress(settings, tmp_path):
    """Something that answers on the ingress's runtime socket as HAProxy does."""
    settings.ALIGHT_INGRESS_SOCKET = str(tmp_path / "haproxy.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(settings.ALIGHT_INGRESS_SOCKET)
        listening.listen()
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        yield
        listening.shutdown(socket.SHUT_RDWR)


def serve(listening):
    while True:
        try:
            link, _ = listening.accept()
        except OSError:
            return
        with link, link.makefile("r") as lines:
            for _ in lines:
                link.sendall(b"\n> ")


def asked(client):
    answer = client.get("/readyz")
    told = answer.json()
    assert told["ready"] is (answer.status_code == 200)
    assert answer["Cache-Control"] == "no-store"
    return {part: said for part, said in told["parts"].items() if said != "ok"}


def test_alive_touches_nothing(client):
    # No database is allowed in this test.
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_ready_when_all_of_it_is(client, valkey, ingress):
    assert asked(client) == {}


@pytest.mark.django_db
def test_names_each_part_that_is_not(client, settings, tmp_path):
    settings.ALIGHT_VALKEY_URL = f"unix://{tmp_path}/none.sock"
    settings.ALIGHT_INGRESS_SOCKET = str(tmp_path / "none.sock")
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("console", "0001_initial")
    parts = ("migrations", "valkey", "ingress")
    assert asked(client) == {part: SENTENCES[part] for part in parts}


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_a_database_that_is_away_is_asked_once(
    client, valkey, ingress, monkeypatch, kind
):
    def away(*_):
        raise kind("could not connect to db.lab:5432 as alight")

    monkeypatch.setattr("console.health.connection.cursor", away)
    assert asked(client) == {
        "database": SENTENCES["database"],
        "migrations": "Not looked at.",
    }


@pytest.mark.django_db
def test_a_database_that_goes_while_it_is_asked(client, valkey, ingress, monkeypatch):
    def goes(*_):
        raise OperationalError("terminating connection due to administrator command")

    monkeypatch.setattr(MigrationRecorder, "applied_migrations", goes)
    assert asked(client) == {"migrations": "The database stopped to answer."}


def test_both_answer_past_whatever_speaks_https(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz").status_code == 200
    assert client.get("/sign-in/").status_code == 301
