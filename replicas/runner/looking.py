"""The runner's way to have endpoints looked at: at once, without the task queue."""

from __future__ import annotations

import logging

from endpoints.models import Endpoint
from replicas import tasks
from replicas.runner.threads import in_slow_thread, in_thread

log = logging.getLogger(__name__)


async def look(endpoint_id: int) -> None:
    """Reconcile now. Never raises: the sweep comes by again."""
    try:
        await in_slow_thread(tasks.reconcile, endpoint_id)
    except Exception:
        log.exception("looking at endpoint %s failed", endpoint_id)


async def look_at_everything() -> None:
    """Sweep now: what the ingress should know is told first. Never raises."""
    try:
        await in_slow_thread(tasks.sweep)
    except Exception:
        log.exception("looking at everything failed")


async def look_by_name(name: str) -> None:
    """The same."""
    try:
        endpoint_id = await in_thread(_id_of, name)
    except Exception:
        log.exception("looking at endpoint “%s” failed", name)
        return
    if endpoint_id is not None:
        await look(endpoint_id)


def _id_of(name: str) -> int | None:
    with tasks.made_up_for():
        return Endpoint.objects.filter(name=name).values_list("pk", flat=True).first()
