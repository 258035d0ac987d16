"""An endpoint as the API reads and shows it.

Names follow a service that is gone, so that what people wrote for it keeps working.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from rest_framework import serializers

from endpoints import rules
from endpoints.models import Endpoint
from endpoints.serializers.fields import (
    CountField,
    EmptyableField,
    RuledField,
    StrictSerializer,
    TierField,
    WordField,
    text_rule,
)
from endpoints.serializers.keys import KeysField, SignInField, check_keys
from endpoints.serializers.parts import (
    EnvField,
    MountSerializer,
    WordsField,
    merged_env,
    shown_volumes,
    volume_of,
)
from endpoints.services import Wish
from templates_app.models import Tier
from templates_app.spec import ContainerSpec

DEFAULT_MAX = 3
DEFAULT_IDLE = 300
# API name → name of the verb's field, where a value is passed on as it is.
PLAIN = {
    "display_name": "display_name",
    "description": "description",
    "min_replicas": "min_replicas",
    "max_replicas": "max_replicas",
    "scale_to_zero": "idle_timeout",
    "start_timeout": "start_timeout",
    "concurrency_per_replica": "concurrency",
    "hold_seconds": "hold_seconds",
    "instance_type": "tier",
}
NULL_IS_OPEN = frozenset(
    {
        "min_replicas",
        "max_replicas",
        "scale_to_zero",
        "start_timeout",
        "concurrency_per_replica",
        "hold_seconds",
        "instance_type",
        "visibility",
        "endpoint_state",
        "env_overrides",
        "volumes_experimental",
    }
)
FIXED = {
    "name": "The name is part of the URL and cannot be changed. "
    "Make another endpoint, then delete this one.",
}


def account_key(owner_id: int) -> str:
    """Twelve letters that name a person's account; the same at each call."""
    text = f"{settings.ALIGHT_INSTALLATION}:{owner_id}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class EndpointSerializer(StrictSerializer):
    """An endpoint: what is wanted, and where it answers."""

    name = RuledField(
        rules.name_problem,
        help_text="First part of the URL: lowercase letters, digits, hyphens; "
        f"up to {rules.NAME_MAX}. Set once.",
    )
    display_name = EmptyableField(text_rule(rules.DISPLAY_NAME_MAX))
    description = EmptyableField(text_rule(rules.DESCRIPTION_MAX))
    image_url = RuledField(rules.image_problem, help_text="The image to run.")
    port = CountField(
        1,
        65535,
        rules.port_problem(None),
        help_text="Where the container listens.",
    )
    health_check_path = EmptyableField(
        rules.path_problem,
        help_text="Asked for a 200; empty: an open port is enough.",
    )
    env_overrides = EnvField(
        required=False,
        help_text="Environment variables, replaced in whole. "
        "A secret reads as null; null keeps it.",
    )
    command = WordsField(help_text="Replaces the image's entrypoint.")
    args = WordsField(help_text="Replaces the image's command.")
    instance_type = TierField(
        required=False,
        help_text="A tier of /v1/instance-types; the one without a GPU if left out.",
    )
    min_replicas = CountField(
        0,
        rules.REPLICAS_MAX,
        rules.scale_problem(-1, 1),
        f"Keep the minimum to {rules.REPLICAS_MAX} replicas.",
        required=False,
    )
    max_replicas = CountField(
        1,
        rules.REPLICAS_MAX,
        rules.scale_problem(0, 0),
        rules.scale_problem(0, rules.REPLICAS_MAX + 1),
        required=False,
    )
    scale_to_zero = CountField(
        0,
        rules.IDLE_MAX,
        rules.idle_problem(-1),
        required=False,
        help_text="Seconds without requests before replicas above the minimum stop.",
    )
    start_timeout = CountField(
        rules.START_MIN,
        rules.START_MAX,
        rules.start_problem(0),
        required=False,
        help_text="Seconds from container start to its first answer.",
    )
    concurrency_per_replica = CountField(
        1, rules.CONCURRENCY_MAX, rules.concurrency_problem(0), required=False
    )
    hold_seconds = CountField(
        0,
        rules.HOLD_MAX,
        rules.hold_problem(-1),
        required=False,
        help_text="Seconds that a request waits for a replica at most; "
        "then it is answered 503.",
    )
    visibility = WordField("private", "public", required=False)
    endpoint_state = WordField(
        "active",
        "disabled",
        required=False,
        help_text="disabled: paused, nothing runs and the URL answers 503.",
    )
    volumes_experimental = MountSerializer(
        many=True, required=False, help_text="At most one."
    )
    registry_credential = SignInField(
        help_text="Key of one of /v1/registry-credentials; null: a public image.",
    )
    container_secrets = KeysField(
        help_text="Keys of /v1/secrets, set as environment variables of those names.",
    )
    endpoint = serializers.URLField(read_only=True, help_text="Where it answers.")
    phase = serializers.CharField(read_only=True, help_text="What it is up to.")
    template = serializers.CharField(
        read_only=True, help_text="Name of the template it was cloned from, or empty."
    )
    created_at = serializers.DateTimeField(read_only=True)
    warm_until = serializers.DateTimeField(
        read_only=True,
        allow_null=True,
        help_text="One replica at least runs until then; see keep-warm.",
    )

    reported = {"replicas": "This is reported. Set min_replicas and max_replicas."}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            # Clients that send all they know write null for what they leave open.
            data = {
                n: v for n, v in data.items() if v is not None or n not in NULL_IS_OPEN
            }
        return super().to_internal_value(data)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        row: Endpoint | None = self.instance
        _check_fixed(attrs, row)
        check_keys(attrs, row.owner_id if row else self.context["owner_id"])
        least, most = _scale(attrs, row)
        if problem := rules.scale_problem(least, most):
            field = "min_replicas" if "min_replicas" in attrs else "max_replicas"
            raise serializers.ValidationError({field: [problem]})
        return attrs

    def to_representation(self, instance: Endpoint) -> dict[str, Any]:
        spec = instance.container
        return {
            "name": instance.name,
            "display_name": instance.display_name,
            "description": instance.description,
            "image_url": spec.image,
            "port": spec.port,
            "health_check_path": spec.health_path,
            "env_overrides": EnvField().to_representation(spec.env),
            "command": list(spec.command),
            "args": list(spec.args),
            "instance_type": instance.tier_id,
            "min_replicas": instance.min_replicas,
            "max_replicas": instance.max_replicas,
            "scale_to_zero": instance.idle_timeout,
            "start_timeout": instance.start_timeout,
            "concurrency_per_replica": instance.concurrency,
            "hold_seconds": instance.hold_seconds,
            "visibility": "public" if instance.public else "private",
            "endpoint_state": "disabled" if instance.paused else "active",
            "volumes_experimental": shown_volumes(spec.volume),
            "registry_credential": spec.registry or None,
            "container_secrets": list(spec.secrets),
            "endpoint": instance.url,
            "phase": instance.phase,
            "template": instance.template_name,
            "created_at": shown_time(instance.created_at),
            "warm_until": shown_time(instance.warm_until),
        }


def shown_time(at: datetime | None) -> str | None:
    """ISO 8601 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def _check_fixed(attrs: dict[str, Any], row: Endpoint | None) -> None:
    """The name may be repeated, as in what a GET gave, but not changed."""
    if row is None:
        return
    now = {"name": row.name}
    changed = {n: [FIXED[n]] for n, v in now.items() if attrs.get(n, v) != v}
    if changed:
        raise serializers.ValidationError(changed)


def _scale(attrs: dict[str, Any], row: Endpoint | None) -> tuple[int, int]:
    least = attrs.get("min_replicas", row.min_replicas if row else 0)
    most = row.max_replicas if row else max(DEFAULT_MAX, least)
    return least, attrs.get("max_replicas", most)


def wish_of(data: dict[str, Any]) -> Wish:
    """What POST asks for, with the defaults. Raises ValidationError."""
    least, most = _scale(data, None)
    return Wish(
        name=data["name"],
        spec=_spec_of(data, ContainerSpec(image=data["image_url"], port=data["port"])),
        tier=data.get("instance_type") or _smallest_tier(),
        min_replicas=least,
        max_replicas=most,
        public=data.get("visibility") == "public",
        idle_timeout=data.get("scale_to_zero", DEFAULT_IDLE),
        start_timeout=data.get("start_timeout", Wish.start_timeout),
        concurrency=data.get("concurrency_per_replica", Wish.concurrency),
        hold_seconds=data.get("hold_seconds", Wish.hold_seconds),
        description=data.get("description", ""),
        display_name=data.get("display_name", ""),
    )


def changes_of(data: dict[str, Any], row: Endpoint) -> dict[str, Any]:
    """What PATCH asks for, as fields of services.change. Raises ValidationError."""
    changes = {field: data[name] for name, field in PLAIN.items() if name in data}
    if "visibility" in data:
        changes["public"] = data["visibility"] == "public"
    spec = _spec_of(data, row.container)
    if spec != row.container:
        changes["spec"] = spec.to_json()
    return changes


def _spec_of(data: dict[str, Any], base: ContainerSpec) -> ContainerSpec:
    spec = base
    if "image_url" in data and data["image_url"] != base.image:
        # Another image is pulled: what built the old one does not build it.
        spec = replace(spec, image=data["image_url"], build="")
    if "port" in data:
        spec = replace(spec, port=data["port"])
    if "registry_credential" in data:
        spec = replace(spec, registry=data["registry_credential"])
    if "container_secrets" in data:
        spec = replace(spec, secrets=tuple(data["container_secrets"]))
    if "health_check_path" in data:
        spec = replace(spec, health_path=data["health_check_path"])
    if "command" in data:
        spec = replace(spec, command=tuple(data["command"]))
    if "args" in data:
        spec = replace(spec, args=tuple(data["args"]))
    if "env_overrides" in data:
        spec = replace(spec, env=merged_env(data["env_overrides"], base.env))
    if "volumes_experimental" in data:
        spec = replace(spec, volume=volume_of(data["volumes_experimental"]))
    return spec


def _smallest_tier() -> Tier:
    tier = Tier.objects.order_by("gpus", "position").first()
    if tier is None:
        raise serializers.ValidationError(
            {"instance_type": ["There is no hardware tier yet. Load the catalogue."]}
        )
    return tier
