"""Ends what a killed engine left of a container that it was starting.

dockerd that is killed in the middle of a start has the container as never started
afterwards, while its processes may live: with its GPUs, and with its address, which
the engine gives to the next one. Removing the container leaves them there, and no call
of the engine's API ends them, so a helper does, by the container's id in their cgroup.
Seen with 20.10 and live-restore; docs/engine.md has the figures.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from replicas.engine import errors, helpers
from replicas.engine.base import EngineError, EngineUnreachable

log = logging.getLogger(__name__)

# Runs a helper of a role to its end: its exit code and all it wrote.
Help = Callable[[str, dict[str, Any]], tuple[int, str]]


def is_suspected(attrs: dict[str, Any]) -> bool:
    """Whether an inspected container may have processes that its engine knows not.

    One that it tried to start, and said why it could not, has none.
    """
    state = attrs["State"]
    if state["Status"] != "created":
        return False
    error = state.get("Error") or ""
    return not error or isinstance(errors.translate(0, error), errors.LeftBehind)


def end(run: Help, installation: str, container_id: str) -> None:
    """End all its processes. `container_id` is the whole one.

    Raises EngineUnreachable. What else goes wrong is logged: a container that cannot be
    searched has to be removed for all that.
    """
    body = helpers.reaps(installation, container_id)
    try:
        code, text = run(helpers.REAPER, body)
    except EngineUnreachable:
        raise
    except EngineError as error:
        log.warning(_NOT_DONE, container_id[:12], error)
        return
    if code:
        log.warning(_NOT_DONE, container_id[:12], text.strip() or f"exit code {code}")
    elif text:
        log.warning(
            "The engine was killed while it started container %s. Ended what was left "
            "of it: %s",
            container_id[:12],
            ", ".join(text.split()),
        )


_NOT_DONE = (
    "Processes that a killed engine may have left of container %s could not be ended: "
    "%s"
)
