"""A replica's attempt failed: say why, keep the count, set the next try."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from endpoints.steps import Reason, title
from replicas import services
from replicas.logs import store
from replicas.models import Replica
from replicas.progress import duration
from replicas.reconciler import words
from replicas.reconciler.plan import STEADY, backoff
from replicas.states import ReplicaState

# Lines of output kept with the event, so that the reason can be read in its place.
TAIL_LINES = 20


def failures_after(replica: Replica, now: datetime) -> int:
    """The new count of ends in a row, which sets the back-off.

    A clean exit counts as well: it is told in other words, but a container that ends
    by itself at once must not be started every few seconds for ever.
    """
    if replica.ready_at is not None and now - replica.ready_at >= STEADY:
        return 1
    return replica.failures + 1


def fail(
    replica: Replica,
    reason: Reason,
    message: str = "",
    *,
    trouble: str = "",
    code: int | None = None,
    oom: bool = False,
    tail: Sequence[str] = (),
    **data: object,
) -> bool:
    """Move it to failed, with one line for the reason and one for the next try."""
    now = timezone.now()
    count = failures_after(replica, now)
    delay = backoff(count)
    if reason is Reason.EXITED:
        memory = replica.tier.memory_gb
        message = words.exited(code, oom, memory)
        trouble = "OutOfMemory" if oom and code == 137 else "Exited"
    if reason is Reason.EXITED and code is not None:
        data["code"] = code
    # What a container or its engine wrote may have a secret in it.
    mask = store.masker_for(replica.endpoint_id).mask
    message = mask(message)
    if tail:
        data["tail"] = [mask(line) for line in list(tail)[-TAIL_LINES:]]
    with transaction.atomic():
        moved = services.move(
            replica,
            ReplicaState.FAILED,
            failures=count,
            retry_at=now + timedelta(seconds=delay),
            exit_code=code,
            trouble=trouble or reason.value,
            trouble_text=message or title(reason, {"code": code}),
        )
        if not moved:
            return False
        services.tell(replica, reason, message, **data)
        services.tell(
            replica,
            Reason.BACKING_OFF,
            f"Restart {max(count, 1)} follows in {duration(delay)}.",
            delay=delay,
            count=count,
        )
    return True
