"""The worker's threads and their connections to the database."""

from types import SimpleNamespace

from replicas.runner import threads


def test_a_worker_keeps_open_what_is_dear_to_open(monkeypatch):
    mine = {"ENGINE": "django.db.backends.sqlite3", "CONN_MAX_AGE": 0}
    pooled = {"ENGINE": "console.postgres", "CONN_MAX_AGE": 0}
    settings = {"default": mine, "other": pooled}
    monkeypatch.setattr(threads, "connections", SimpleNamespace(settings=settings))
    threads.keep_connections()
    assert mine["CONN_MAX_AGE"] == 60
    # What a thread takes from the pool it gives back.
    assert pooled["CONN_MAX_AGE"] == 0
