"""Whether what the console stands on is there, part by part: what /readyz says."""

from __future__ import annotations

from functools import cache

import redis
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from endpoints.ingress.base import IngressUnreachable
from endpoints.ingress.runtime import Runtime
from endpoints.valkey import asking_valkey

OK = "ok"
# Seconds. Whoever asks, asks again soon.
_PATIENCE = 2.0


def ready() -> dict[str, str]:
    """{part: "ok", or a sentence about what is not ready}. Some seconds at most.

    It is told to strangers: no part says where anything is, or in whose words it
    failed.
    """
    database = _database()
    return {
        "database": database,
        # A second look would wait as long for a database that is away.
        "migrations": _migrations() if database == OK else "Not looked at.",
        "valkey": _valkey(),
        "ingress": _ingress(),
    }


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return "The database does not answer."
    return OK


def _migrations() -> str:
    try:
        applied = MigrationRecorder(connection).applied_migrations().keys()
    except Error:
        return "The database stopped to answer."
    missing = len(_known() - applied)
    if not missing:
        return OK
    return f"{missing} migrations are not applied: manage.py migrate"


@cache
def _known() -> frozenset[tuple[str, str]]:
    """(app, name) of the migrations in this code."""
    loader = MigrationLoader(None)
    return frozenset(loader.disk_migrations)


def _valkey() -> str:
    try:
        with asking_valkey(_PATIENCE) as client:
            client.ping()
    except redis.RedisError:
        return "Valkey does not answer."
    return OK


def _ingress() -> str:
    try:
        with Runtime(settings.ALIGHT_INGRESS_SOCKET, timeout=_PATIENCE) as hap:
            hap.ask(["show version"])
    except IngressUnreachable:
        return "The ingress does not answer."
    return OK
