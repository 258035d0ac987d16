"""Puts the runner into the Celery worker: it starts and stops with it."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

from celery import bootsteps
from celery.apps import worker as celery_worker
from celery.signals import worker_shutting_down

from replicas.runner.main import Runner
from replicas.runner.threads import keep_connections

log = logging.getLogger(__name__)

_STOP_SECONDS = 15


def log_its_end() -> None:
    """Celery prints that it was asked to end. A program may be reading the log."""
    celery_worker.safe_say = _unsaid
    worker_shutting_down.connect(_ending)


def _unsaid(*_: object) -> None:
    return


def _ending(how: str = "", **_: object) -> None:
    log.info("Asked to end: what is under way is finished (%s)", how.lower())


class RunnerStep(bootsteps.StartStopStep):
    """One thread with one event loop."""

    requires = {"celery.worker.components:Pool"}

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: Runner | None = None

    def start(self, parent: Any) -> None:
        keep_connections()
        log_its_end()
        self._thread = threading.Thread(target=self._run, name="runner", daemon=True)
        self._thread.start()

    def stop(self, parent: Any) -> None:
        if self._loop is not None and self._runner is not None:
            self._loop.call_soon_threadsafe(self._runner.stop.set)
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        while True:
            self._runner = Runner()
            try:
                await self._runner.run()
            except Exception:
                log.exception("The runner fell over and starts again")
                await asyncio.sleep(1)
            else:
                return
