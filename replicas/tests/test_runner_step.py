"""What the worker says when it is asked to end: a line of its log, and nothing else."""

from __future__ import annotations

import logging

import pytest
from celery.apps import worker as celery_worker

from replicas.runner.step import log_its_end


@pytest.fixture
def asked_to_end(monkeypatch):
    """Celery's own handler of the signal that ends a worker, as it is installed."""
    monkeypatch.setattr(celery_worker, "safe_say", celery_worker.safe_say)
    handlers = {}
    monkeypatch.setattr(celery_worker.platforms, "signals", handlers)
    monkeypatch.setattr("celery.worker.state.should_stop", None)
    log_its_end()

    class Worker:
        hostname = "alight"

    celery_worker.install_worker_term_handler(Worker())
    return handlers["SIGTERM"]


def test_it_is_logged_and_not_printed(asked_to_end, caplog, capfd):
    with caplog.at_level(logging.INFO, "replicas.runner.step"):
        asked_to_end()
    assert "Asked to end: what is under way is finished (warm)" in caplog.messages
    assert capfd.readouterr().out == ""
