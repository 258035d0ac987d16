"""A replica's attempt failed: say why, keep the count, set the next try."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from endpoints.steps import Reason, title
from replicas import ports, progress, services
from replicas.engine.contexts import resolve
from replicas.logs import store
from replicas.models import Replica
from replicas.progress import duration
from replicas.reconciler import words
from replicas.reconciler.steps import STEADY, backoff
from replicas.states import ReplicaState

# As many as the column holds: four months of a try every five minutes.
MOST_FAILURES = 32_767
# Lines of output kept with the event, so that the reason can be read in its place.
TAIL_LINES = 20


def failures_after(replica: Replica, now: datetime) -> int:
    """The new count of ends in a row, which sets the back-off.

    A clean exit counts as well: it is told in other words, but a container that ends
    by itself at once must not be started every few seconds for ever.
    """
    if replica.ready_at is not None and now - replica.ready_at >= STEADY:
        return 1
    return min(replica.failures + 1, MOST_FAILURES)


def exited(
    replica: Replica, code: int, *, oom: bool, error: str, tail: Sequence[str]
) -> bool:
    """Its container ended by itself; an exit code of 0 is told as no crash.

    error: why it could not run, as far as the engine knows.
    """
    return fail(
        replica,
        Reason.EXITED if code else Reason.ENDED,
        words.exited(code, oom, replica.tier.memory_gb, error),
        trouble=words.exit_trouble(code, oom),
        code=code,
        tail=tail,
    )


def timed_out(replica: Replica, tail: Sequence[str]) -> bool:
    """It never answered within the start timeout: say what was heard instead."""
    spec = replica.container
    limit = duration(replica.endpoint.start_timeout)
    last = progress.read([replica.pk]).get(replica.pk, {}).get("heard", "")
    seen = ports.look(replica.container_id, spec.port, resolve(spec.image, spec.build))
    # An answer to the health check came from the right port.
    found = () if last.isdigit() else seen.ports
    trouble = "WrongPort" if found else "StartTimedOut"
    if spec.health_path and last.isdigit():
        trouble = "HealthCheckFailed"
    return fail(
        replica,
        Reason.START_TIMEOUT,
        words.no_answer(spec.health_path, last, limit, seen.text),
        trouble=trouble,
        tail=tail,
        what=spec.health_path or f"Port {spec.port}",
        ports=list(found),
    )


def fetch_timed_out(replica: Replica) -> bool:
    """Its image has not come in time; what came so far the engine keeps."""
    limit = duration(settings.ALIGHT_FETCH_SECONDS)
    return fail(
        replica,
        Reason.IMAGE_FAILED,
        f"It has not come within {limit}. It is tried again, and what came so far is "
        "kept. See whether the node’s network or the registry is slow.",
        trouble="ImageSlow",
        verb="built" if replica.container.build else "pulled",
    )


def fail(
    replica: Replica,
    reason: Reason,
    message: str = "",
    *,
    trouble: str = "",
    code: int | None = None,
    tail: Sequence[str] = (),
    **data: object,
) -> bool:
    """Move it to failed, with one line for the reason and one for the next try.

    tail: its last lines of output. data: further facts for the event.
    """
    now = timezone.now()
    count = failures_after(replica, now)
    delay = backoff(count)
    trouble = trouble or reason.value
    data["trouble"] = trouble
    if code is not None:
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
            trouble=trouble,
            trouble_text=message or title(reason, data),
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
