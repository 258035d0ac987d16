"""Replicas, tiers and logs as the API shows them, and the endpoint with its replicas.

The endpoint's own fields are endpoints.serializers'; what runs is added here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from endpoints.models import Endpoint
from endpoints.serializers.endpoint import EndpointSerializer, account_key
from endpoints.serializers.events import ReplicaQuery
from endpoints.serializers.fields import CountField
from replicas.hardware import TierHardware
from replicas.logs.records import Line
from replicas.models import Replica
from replicas.states import ReplicaState

LOG_LINES_MAX = 1000
STATUSES = ("pending", "running", "succeeded", "failed", "unknown")
_STATUS = {
    ReplicaState.WAITING: "pending",
    ReplicaState.ASSIGNED: "pending",
    ReplicaState.PULLING: "pending",
    ReplicaState.STARTING: "pending",
    ReplicaState.READY: "running",
    ReplicaState.UNHEALTHY: "running",
    ReplicaState.STOPPING: "running",
    ReplicaState.FAILED: "failed",
    ReplicaState.STOPPED: "succeeded",
}


def status_of(state: str, *, node_answers: bool) -> str:
    """One of STATUSES. What is on a machine that does not answer is unknown."""
    status = _STATUS.get(ReplicaState(state), "unknown")
    return status if node_answers or status != "running" else "unknown"


def age_of(replica: Replica, now: datetime) -> int:
    """Whole seconds it has been ready, -1 when it is not."""
    if replica.state != ReplicaState.READY or replica.ready_at is None:
        return -1
    return max(0, int((now - replica.ready_at).total_seconds()))


class ReplicaSerializer(serializers.Serializer[Replica]):
    """One replica: a place in the endpoint and the container that fills it."""

    account_key = serializers.CharField(help_text="The owner's account.")
    endpoint_name = serializers.CharField()
    replica_id = serializers.CharField()
    number = serializers.IntegerField(help_text='What people see: "Replica 2".')
    status = serializers.ChoiceField(choices=STATUSES)
    state = serializers.CharField(help_text="The same in the console's words.")
    restarts = serializers.IntegerField()
    age = serializers.IntegerField(help_text="Seconds ready, -1 when not ready.")
    trouble = serializers.CharField(help_text="A sentence about the newest failure.")


def shown_replica(
    endpoint: Endpoint, replica: Replica, now: datetime
) -> dict[str, Any]:
    node = replica.node
    return {
        "account_key": account_key(endpoint.owner_id),
        "endpoint_name": endpoint.name,
        "replica_id": str(replica.pk),
        "number": replica.number,
        "status": status_of(
            replica.state, node_answers=node is None or node.unreachable_since is None
        ),
        "state": replica.state,
        "restarts": replica.attempt - 1,
        "age": age_of(replica, now),
        "trouble": replica.trouble_text,
    }


@extend_schema_field(ReplicaSerializer(many=True))
class ReplicasField(serializers.ReadOnlyField):
    """The living replicas, lowest number first."""


class RunningEndpointSerializer(EndpointSerializer):
    """An endpoint with what runs of it. Prefetch `replicas__node`."""

    replicas = ReplicasField()

    class Meta:
        ref_name = "Endpoint"

    def to_representation(self, instance: Endpoint) -> dict[str, Any]:
        now = timezone.now()
        living = [
            shown_replica(instance, replica, now)
            for replica in instance.replicas.all()
            if replica.state != ReplicaState.STOPPED
        ]
        return {**super().to_representation(instance), "replicas": living}


class PortSerializer(serializers.Serializer[Any]):
    port_num = serializers.IntegerField()
    proto = serializers.CharField()


class ContainerMetadataSerializer(serializers.Serializer[Any]):
    """What is known of the container. `digest` is null unless the image names one."""

    image_url = serializers.CharField()
    digest = serializers.CharField(allow_null=True)
    exposed_ports = PortSerializer(many=True)
    labels = serializers.DictField(child=serializers.CharField())
    env = serializers.DictField(
        child=serializers.CharField(allow_null=True),
        help_text="Set by the endpoint; a secret's value is null.",
    )


class InstanceTypeSerializer(serializers.Serializer[Any]):
    """A tier of hardware and whether a replica would get it now."""

    instance_name = serializers.CharField()
    display_name = serializers.CharField()
    vcpu = serializers.FloatField(help_text="CPU cores.")
    ram = serializers.IntegerField(help_text="MiB.")
    vram = serializers.IntegerField(help_text="GB of one GPU; 0 without.")
    accelerator = serializers.ChoiceField(choices=("none", "gpu"))
    available = serializers.BooleanField(help_text="Free now.")
    free = serializers.IntegerField(allow_null=True, help_text="GPUs free now.")
    total = serializers.IntegerField(allow_null=True, help_text="GPUs there are.")
    waiting = serializers.IntegerField(help_text="Replicas waiting in line.")
    price = serializers.FloatField(
        allow_null=True,
        help_text="Of an hour of one replica, in this installation's own money; null "
        "when its administrator set none.",
    )


def shown_tier(hardware: TierHardware) -> dict[str, Any]:
    tier = hardware.tier
    gpu = bool(tier.gpus)
    return {
        "instance_name": tier.slug,
        "display_name": str(tier) if gpu else tier.name,
        "vcpu": tier.cores,
        "ram": tier.memory_mb,
        "vram": tier.gpu_memory_gb,
        "accelerator": "gpu" if gpu else "none",
        "available": hardware.free >= tier.gpus if gpu else True,
        "free": hardware.free if gpu else None,
        "total": hardware.total if gpu else None,
        "waiting": hardware.waiting,
        "price": None if tier.price is None else float(tier.price),
    }


class MomentField(serializers.CharField):
    """A moment in ISO 8601; UTC where it names no zone."""

    def to_internal_value(self, data: Any) -> Any:
        # An unescaped "+" of an offset arrives as a blank.
        text = re.sub(r" (\d\d:?\d\d)\Z", r"+\1", str(data))
        try:
            moment = parse_datetime(text)
        except ValueError:
            moment = None
        if moment is None:
            raise serializers.ValidationError(
                "Write the time like 2026-03-01T12:00:00Z."
            )
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class LogSpanQuery(ReplicaQuery):
    """Of which time, replica and start."""

    begin_time = MomentField(
        required=False, help_text="From then on, ISO 8601. Empty: the newest lines."
    )
    end_time = MomentField(required=False, help_text="Up to then, not including it.")
    attempt = CountField(
        1, 2**31 - 1, "Enter an attempt as the API gave it.", required=False
    )


class LogQuery(LogSpanQuery):
    """Which lines are wanted."""

    max_lines = CountField(
        1, LOG_LINES_MAX, f"Enter 1 to {LOG_LINES_MAX:,} lines.", required=False
    )


class LogLineSerializer(serializers.Serializer[Any]):
    """One line; `data` is as the container wrote it, colours included."""

    timestamp = serializers.DateTimeField()
    replica_id = serializers.CharField(allow_null=True)
    attempt = serializers.IntegerField(help_text="Which container of that replica.")
    source = serializers.ChoiceField(  # type: ignore[assignment]
        choices=("stdout", "stderr", "system")
    )
    level = serializers.ChoiceField(choices=("info", "warn", "error"))
    data = serializers.CharField()  # type: ignore[assignment]


def shown_line(line: Line) -> dict[str, Any]:
    return {
        "timestamp": moment(line.at // 1000),
        "replica_id": str(line.attempt.replica_id),
        "attempt": line.attempt.attempt,
        "source": line.src,
        "level": line.level,
        "data": line.text,
    }


def shown_page_line(line: dict[str, Any]) -> dict[str, Any]:
    """The same of a line that was made for a page (Line.to_page)."""
    return {
        "timestamp": moment(round(line["t"] * 1000)),
        "replica_id": line["k"].partition(":")[0],
        "attempt": line["a"],
        "source": line["src"],
        "level": line["level"],
        "data": line["text"],
    }


def shown_gap(count: int) -> dict[str, Any]:
    """In place of lines that came faster than a stream can follow."""
    return {
        "timestamp": moment(round(timezone.now().timestamp() * 1e6)),
        "replica_id": None,
        "attempt": 0,
        "source": "system",
        "level": "warn",
        "data": f"{count:,} lines were left out here. The log's download has them.",
    }


def moment(microseconds: int) -> str:
    """Since the epoch, as the API writes a time."""
    at = datetime.fromtimestamp(microseconds // 1_000_000, UTC)
    at = at.replace(microsecond=microseconds % 1_000_000)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
