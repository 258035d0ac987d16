"""The verbs on endpoints. Page, API, command line and timers call these.

Each is one transaction: the change, its line on the timeline, and the news on commit.
They write the wish only; making it so is the reconciler's work (replicas/).
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction

from endpoints import gate, revisions, rules, sealing, signals, timeline, volumes
from endpoints.grants import grants_of
from endpoints.holding import held
from endpoints.models import Endpoint
from endpoints.steps import Reason
from templates_app.models import Template, Tier
from templates_app.spec import ContainerSpec


class NameTaken(Exception):
    """Another endpoint has this name; the text suggests a free one."""


@dataclass(frozen=True)
class Wish:
    """What somebody asks for; timeouts in seconds. Checked by form or serializer."""

    name: str
    spec: ContainerSpec
    tier: Tier
    min_replicas: int = 1
    max_replicas: int = 1
    public: bool = False
    idle_timeout: int = 600
    start_timeout: int = 600
    concurrency: int = rules.CONCURRENCY_USUAL
    hold_seconds: int = 300
    description: str = ""
    display_name: str = ""


def names_in_use() -> frozenset[str]:
    return frozenset(Endpoint.objects.values_list("name", flat=True))


def create(
    owner: AbstractBaseUser, wish: Wish, template: Template | None = None
) -> Endpoint:
    """Make the endpoint; its replicas start as soon as the worker looks.

    Raises NameTaken. A new endpoint starts one replica even with a minimum of 0, so
    that its first start can be watched.
    """
    try:
        with transaction.atomic():
            endpoint = Endpoint.objects.create(
                name=wish.name,
                owner_id=owner.pk,
                template=template,
                template_name=template.name if template else "",
                spec=wish.spec.to_json(),
                tier=wish.tier,
                min_replicas=wish.min_replicas,
                max_replicas=wish.max_replicas,
                public=wish.public,
                idle_timeout=wish.idle_timeout,
                start_timeout=wish.start_timeout,
                concurrency=wish.concurrency,
                hold_seconds=wish.hold_seconds,
                description=wish.description,
                display_name=wish.display_name,
                target_count=max(wish.min_replicas, 1),
            )
            _keep_files(endpoint)
            revisions.begin(endpoint, owner.get_username())
            timeline.record(
                endpoint,
                Reason.CREATED,
                actor=owner.get_username(),
                data={
                    "how": "Cloned" if template else "Made",
                    "template": template.name if template else wish.spec.image,
                },
            )
            gate.introduce(endpoint, grants_of)
            signals.announce(endpoint.pk)
    except IntegrityError:
        raise NameTaken(rules.taken(wish.name, names_in_use())) from None
    return endpoint


# What may be changed later, and whether that needs new containers. The name never.
SCALE_FIELDS = frozenset({"min_replicas", "max_replicas"})
LIGHT_FIELDS = SCALE_FIELDS | {
    "public",
    "idle_timeout",
    "start_timeout",
    "concurrency",
    "hold_seconds",
    "description",
    "display_name",
}
HEAVY_FIELDS = frozenset({"spec", "tier"})


def change(endpoint: Endpoint, actor: str, **fields: Any) -> Endpoint:
    """Change the wish. `fields` are names from LIGHT_FIELDS and HEAVY_FIELDS.

    Only what really differs is written. A new `spec` (its JSON) or `tier` makes a
    numbered revision, and the reconciler moves replicas over to it one at a time.
    """
    with held(endpoint) as row:
        changes = _changes(row, fields)
        if not changes:
            return row
        for name, value in changes.items():
            setattr(row, name, value)
        if changes.keys() & HEAVY_FIELDS:
            _keep_files(row)
            revisions.begin(row, actor)
        if changes.keys() & SCALE_FIELDS:
            row.target_count = _target(row)
        if "public" in changes:
            gate.publish(row.name, public=row.public)
        row.save(update_fields=[*changes, "revision", "target_count"])
        _tell_change(row, changes, actor)
        signals.announce(row.pk)
    return row


def effect_of(endpoint: Endpoint, **fields: Any) -> str:
    """What `change` with these fields would do to what runs, for people."""
    changes = _changes(endpoint, fields)
    if not changes:
        return "Nothing is changed yet."
    if changes.keys() & HEAVY_FIELDS:
        if endpoint.paused:
            then = "It runs once the endpoint is resumed."
        elif not endpoint.wanted_count:
            then = "The next replica that starts runs it."
        else:
            then = "Replicas move over one at a time; the old ones serve until then."
        return f"Makes revision {revisions.next_number(endpoint)}. {then}"
    return f"Restarts nothing.{_scale_effect(endpoint, changes)}"


def _scale_effect(endpoint: Endpoint, changes: dict[str, Any]) -> str:
    after = copy(endpoint)
    for name in changes.keys() & SCALE_FIELDS:
        setattr(after, name, changes[name])
    after.target_count = _target(after)
    more = after.wanted_count - endpoint.wanted_count
    if not more:
        return ""
    one, many = ("starts", "more replicas start")
    if more < 0:
        one, many = ("stops", "replicas stop")
    if abs(more) == 1:
        return f" One {'more ' if more > 0 else ''}replica {one}."
    return f" {abs(more)} {many}."


def _changes(row: Endpoint, fields: dict[str, Any]) -> dict[str, Any]:
    """Those of `fields` that differ from what the row has."""
    unknown = fields.keys() - LIGHT_FIELDS - HEAVY_FIELDS
    if unknown:
        raise TypeError(f"cannot change {', '.join(sorted(unknown))}")
    return {k: v for k, v in fields.items() if _differs(row, k, v)}


def _target(row: Endpoint) -> int:
    """The number after a change of the limits: by the minimum in force, so that one
    that sleeps by its schedule sleeps on."""
    return min(max(row.target_count, row.minimum), row.max_replicas)


def _differs(row: Endpoint, field: str, value: Any) -> bool:
    if field == "spec":
        # As containers: JSON that was written before a key existed says the same, and
        # so does a secret that was sealed anew.
        return not sealing.same_container(row.container, ContainerSpec.from_json(value))
    return bool(getattr(row, field) != value)


def _keep_files(row: Endpoint) -> None:
    if volume := row.container.volume:
        volumes.ensure(row.owner_id, volume.name)


def _tell_change(row: Endpoint, changes: dict[str, Any], actor: str) -> None:
    if "public" in changes:
        timeline.record(
            row, Reason.OPENED if row.public else Reason.CLOSED, actor=actor
        )
    if changes.keys() & SCALE_FIELDS:
        timeline.record(
            row,
            Reason.SCALED,
            f"Keep {row.min_replicas}, up to {row.max_replicas}.",
            actor=actor,
        )
    heavy = changes.keys() & HEAVY_FIELDS
    if heavy:
        data = {"revision": row.revision}
        timeline.record(row, Reason.REVISED, actor=actor, data=data)
    rest = changes.keys() - SCALE_FIELDS - {"public"} - heavy
    if rest:
        named = ", ".join(sorted(_SPOKEN.get(n, n.replace("_", " ")) for n in rest))
        timeline.record(row, Reason.CHANGED, f"New {named}.", actor=actor)


# Columns that people know under another name.
_SPOKEN = {"concurrency": "requests per replica", "hold_seconds": "hold limit"}


def pause(endpoint: Endpoint, actor: str) -> bool:
    """Stop all replicas and answer 503 until resumed. False when already paused."""
    return _set_flag(endpoint, Reason.PAUSED, actor, old=False)


def resume(endpoint: Endpoint, actor: str) -> bool:
    """Start again with what the wish asks for. False when it was not paused."""
    return _set_flag(endpoint, Reason.RESUMED, actor, old=True)


def _set_flag(endpoint: Endpoint, reason: Reason, actor: str, *, old: bool) -> bool:
    with transaction.atomic():
        rows = Endpoint.objects.alive().filter(pk=endpoint.pk, paused=old)
        if not rows.update(paused=not old):
            return False
        endpoint.refresh_from_db()
        timeline.record(endpoint, reason, actor=actor)
        signals.announce(endpoint.pk)
    return True


def delete(endpoint: Endpoint, actor: str) -> bool:
    """Ask for its end: replicas stop, the URL stops answering, then the row goes.

    Volumes stay. False when that was asked for before.
    """
    with transaction.atomic():
        rows = Endpoint.objects.filter(pk=endpoint.pk, deleting=False)
        if not rows.update(deleting=True):
            return False
        endpoint.refresh_from_db()
        timeline.record(endpoint, Reason.DELETING, actor=actor)
        signals.announce(endpoint.pk)
    return True
