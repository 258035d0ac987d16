"""Listens to the engine's events: each only says which endpoint to look at."""

from __future__ import annotations

import asyncio
import logging

from django.conf import settings

from replicas.engine import names
from replicas.engine.base import EngineError, EngineEvent, EngineStreams
from replicas.runner.looking import look_at_everything, look_by_name

log = logging.getLogger(__name__)

# Words after which the world differs from what a pass has seen. Starts are our own.
_MATTERS = frozenset({"die", "oom", "destroy", "stop", "kill", "pause", "unpause"})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


class Watcher:
    """Follows events; sweeps after every break, since events are not kept."""

    def __init__(self, streams: EngineStreams) -> None:
        self._streams = streams
        self._looks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        pause = _FIRST_PAUSE
        labels = {names.INSTALLATION: settings.ALIGHT_INSTALLATION}
        while True:
            events = self._streams.events(labels)
            # What happened before is not told: look at everything, then listen.
            await look_at_everything()
            try:
                async for event in events:
                    pause = _FIRST_PAUSE
                    self._take(event)
            except EngineError as error:
                # Once for each break, however often it is tried until it is over.
                if pause == _FIRST_PAUSE:
                    log.warning("Engine events stopped: %s", error)
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)

    def _take(self, event: EngineEvent) -> None:
        name = event.labels.get(names.ENDPOINT)
        if name and event.action.split(":")[0] in _MATTERS:
            task = asyncio.create_task(look_by_name(name))
            self._looks.add(task)
            task.add_done_callback(self._looks.discard)
