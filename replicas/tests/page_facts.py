"""Rows that were never saved, as facts for the pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from endpoints import steps
from endpoints.models import Endpoint, Event, Revision
from endpoints.steps import Reason
from replicas.models import Replica
from replicas.page.facts import Facts, Seen, Usual
from replicas.page.words import plain
from templates_app.models import Tier
from templates_app.spec import ContainerSpec

NOW = datetime(2026, 3, 1, 12, 5, 30, tzinfo=UTC)
MEDIUM = Tier(
    slug="medium", name="Medium", gpu_model="A10", gpus=1, gpu_memory_gb=24,
    cores=8, memory_mb=30720,
)  # fmt: skip


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def endpoint(**changes):
    spec = changes.pop("spec", {})
    values = {
        "pk": 1,
        "name": "drawing",
        "tier": MEDIUM,
        "spec": ContainerSpec(**{"image": "lab/app:1", "port": 3000, **spec}).to_json(),
        **changes,
    }
    return Endpoint(**values)


def event(reason, seconds_ago, message="", *, replica_id=1, attempt=1, **data):
    return Event(
        reason=reason,
        at=ago(seconds_ago),
        message=message,
        data=data,
        replica_id=replica_id,
        attempt=attempt,
    )


def start(began, *, upto=None):
    """The events of a start that began so long ago: 3 s, 1 s, 54 s, 4 s, 40 s."""
    story = [
        event(Reason.WAITING, began, "Asking for one A10."),
        event(Reason.ASSIGNED, began - 3, "A10 24 GB on gpu-02"),
        event(Reason.PULLING, began - 4, "lab/app:1"),
        event(Reason.PULLED, began - 58, "9.8 GB, 14 layers"),
        event(Reason.CREATING, began - 58, "app:1, port 3000"),
        event(Reason.STARTED, began - 62, "app:1, port 3000"),
        event(Reason.PROBING_PORT, began - 62, port=3000),
        event(Reason.PORT_ANSWERED, began - 102, port=3000),
        event(Reason.RUNNING, began - 102),
    ]
    reasons = [e.reason for e in story]
    return story[: reasons.index(upto) + 1] if upto else story


def seen(state, number=1, *, events=(), progress=None, gpu="A10 24 GB", **columns):
    since = columns.pop("since", ago(14))
    replica = Replica(
        pk=columns.pop("pk", number),
        number=number,
        state=state,
        since=since,
        created_at=columns.pop("created_at", since),
        **columns,
    )
    rows = steps.rows(
        events, coming=steps.ahead(state, port=3000, path="", build=False)
    )
    return Seen(
        replica=replica,
        rows=tuple(rows),
        gpu=gpu,
        last_progress={"replica": replica.pk, "state": state, **progress}
        if progress
        else None,
    )


def facts(*replicas, usual=None, rollout=None, larger=None, **columns):
    """Replicas run the endpoint's own revision, unless they were given another."""
    wanted = endpoint(**columns)
    for each in replicas:
        place(each, wanted)
    return Facts(
        endpoint=wanted,
        now=NOW,
        replicas=tuple(replicas),
        usual=usual or Usual(),
        rollout=rollout,
        larger=larger,
    )


def place(each, wanted):
    """Make `each` a replica of this endpoint."""
    each.replica.endpoint = wanted
    if each.replica.revision_id is None:
        each.replica.revision = revision(wanted.revision, wanted)
    return each


def revision(number, wanted=None, **columns):
    wanted = wanted or endpoint()
    return Revision(
        pk=number, number=number, spec=wanted.spec, tier=wanted.tier, **columns
    )


def text(sentence):
    return plain(sentence)
