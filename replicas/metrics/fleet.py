"""What there is to be measured: endpoints, and replicas with their hardware."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from endpoints.models import Endpoint, Event
from endpoints.steps import Reason
from replicas.models import Gpu, Replica
from replicas.states import ReplicaState as S

# States in which there is a container that uses something.
RUNNING = frozenset({S.STARTING, S.READY, S.UNHEALTHY, S.STOPPING})


@dataclass(frozen=True)
class Member:
    """A living replica. cores: how many it may use. gpus: UUIDs."""

    id: int
    endpoint: str
    number: int
    attempt: int
    state: str
    container_id: str
    cores: float
    gpus: tuple[str, ...]
    ready_at: datetime | None

    @property
    def runs(self) -> bool:
        return bool(self.container_id) and self.state in RUNNING


@dataclass(frozen=True)
class Fleet:
    """ids: of the endpoints, by name. members: the living replicas."""

    ids: dict[str, int]
    members: tuple[Member, ...]


def look() -> Fleet:
    """As the database has it now, in three queries."""
    gpus: dict[int, list[str]] = defaultdict(list)
    held = Gpu.objects.exclude(replica=None).order_by("uuid")
    for replica_id, uuid in held.values_list("replica_id", "uuid"):
        if replica_id is not None:
            gpus[replica_id].append(uuid)
    rows = Replica.objects.alive().order_by("pk")
    members = [
        Member(
            id=row["pk"],
            endpoint=row["endpoint__name"],
            number=row["number"],
            attempt=row["attempt"],
            state=row["state"],
            container_id=row["container_id"],
            cores=_cores(row["revision__tier__cores"], row["node__cores"]),
            gpus=tuple(gpus.get(row["pk"], ())),
            ready_at=row["ready_at"],
        )
        for row in rows.values(
            "pk",
            "endpoint__name",
            "number",
            "attempt",
            "state",
            "container_id",
            "revision__tier__cores",
            "node__cores",
            "ready_at",
        )
    ]
    ids = dict(Endpoint.objects.order_by().values_list("name", "pk"))
    return Fleet(ids, tuple(members))


def _cores(tier: float | None, node: int | None) -> float:
    """What a container may use: a tier can be larger than its node."""
    return min(tier or 0, node) if node else tier or 0


def begun(replica: Replica) -> datetime:
    """When this start began: with the replica, or with its newest attempt."""
    if replica.attempt == 1:
        return replica.created_at
    event = Event.objects.filter(
        endpoint_id=replica.endpoint_id,
        replica_id=replica.pk,
        attempt=replica.attempt,
        reason=Reason.RETRYING,
    ).first()
    return event.at if event else replica.created_at


def took(member: Member) -> float:
    """Seconds from the beginning of its start until it was ready; 0 when gone."""
    replica = Replica.objects.filter(pk=member.id, attempt=member.attempt).first()
    if replica is None or member.ready_at is None:
        return 0.0
    return max(0.0, (member.ready_at - begun(replica)).total_seconds())
