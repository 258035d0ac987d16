"""Django's settings of a database, for each of the two there may be."""

from __future__ import annotations

from typing import Any

from console.env import BadSetting
from launcher.database import read_url

# Seconds somebody waits for a connection, and for a row that another one changes.
_PATIENCE = 10
_LOCK_PATIENCE = 20


def sqlite(path: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            # Writers queue instead of failing half way through a transaction.
            "transaction_mode": "IMMEDIATE",
            "timeout": _LOCK_PATIENCE,
            "init_command": (
                "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;"
                "PRAGMA cache_size=-8000;"
            ),
        },
        "TEST": {"NAME": None},
    }


def postgres(url: str, password: str, most: int) -> dict[str, Any]:
    """most: connections of each process. docs/adr/0018-two-databases.md"""
    try:
        found = read_url(url, password)
    except ValueError as error:
        raise BadSetting(str(error)) from None
    if most < 2:
        raise BadSetting(f"ALIGHT_DATABASE_CONNECTIONS must be 2 or more, not {most}.")
    options = dict(found.options)
    theirs = options.pop("options", "")
    return {
        "ENGINE": "console.postgres",
        "NAME": found.name,
        "USER": found.user,
        "PASSWORD": found.password,
        "HOST": found.host,
        "PORT": found.port,
        # Each request and each task has a thread of its own: what outlives them is the
        # pool's, and a thread gives back what it took from it.
        "CONN_MAX_AGE": 0,
        "OPTIONS": {
            "application_name": "alight",
            "connect_timeout": "5",
            # A server that vanished without a word is noticed, too.
            "keepalives_idle": "30",
            "keepalives_interval": "10",
            "keepalives_count": "3",
            "tcp_user_timeout": "30000",
            # Nobody waits for ever for a row, nor keeps one after it froze.
            "options": f"-c lock_timeout={_LOCK_PATIENCE}s "
            f"-c idle_in_transaction_session_timeout=120s {theirs}".strip(),
            **options,
            "pool": {
                "name": "database",
                "min_size": 0,
                "max_size": most,
                "timeout": _PATIENCE,
                # So that attempts follow each other closely until it is back.
                "reconnect_timeout": _PATIENCE / 2,
                "max_idle": 300,
            },
        },
        "TEST": {"NAME": None},
    }
