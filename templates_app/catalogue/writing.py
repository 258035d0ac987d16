"""Writes a template as the YAML that `reading` reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from templates_app import rules
from templates_app.catalogue.reading import LAST
from templates_app.models import Template
from templates_app.spec import ContainerSpec, EnvVar, Example, LogHint

WIDTH = 88


def as_yaml(template: Template) -> str:
    """The template's file; what is as the reader would have it anyway is left out.

    Its owner and slug are not in it: the one who imports it has it under their own.
    """
    spec = template.container
    least = template.min_replicas
    fields = [
        *_given(template, "name", "summary"),
        *_given(template, "description", "kind"),
        *_unless("box", motif=template.motif or "box"),
        *_unless(LAST, position=template.position),
        ("tier", template.tier_id),
        *_given(template, "tier_note"),
        *_container(spec),
        *_unless(0, image_mb=round(template.image_bytes / 1_000_000)),
        *_unless(0, build_minutes=template.build_minutes),
        *_unless(1, min_replicas=least),
        *_unless(max(least, 1), max_replicas=template.max_replicas),
        *_unless(False, public=template.public),
        *_unless(10, idle_minutes=template.idle_timeout // 60),
        *_unless(10, start_minutes=template.start_timeout // 60),
        *_unless(rules.CONCURRENCY_USUAL, requests=template.concurrency),
        *_unless(False, openai=spec.openai),
        *_unless(None, example=_example(spec.example)),
        *_unless([], hints=[_hint(hint) for hint in spec.hints]),
    ]
    text: str = yaml.safe_dump(
        dict(fields), sort_keys=False, allow_unicode=True, width=WIDTH
    )
    return text


Pairs = Iterable[tuple[str, Any]]


def _given(template: Template, *names: str) -> Pairs:
    """Those of these texts that are not empty."""
    values = ((name, getattr(template, name)) for name in names)
    return [(name, value) for name, value in values if value]


def _unless(usual: Any, **field: Any) -> Pairs:
    return [(name, value) for name, value in field.items() if value != usual]


def _container(spec: ContainerSpec) -> Pairs:
    return [
        ("image", spec.image),
        *_unless("", build=spec.build),
        ("port", spec.port),
        *_unless("", health_path=spec.health_path),
        *_unless([], command=list(spec.command)),
        *_unless([], args=list(spec.args)),
        *_unless([], env=[_variable(var) for var in spec.env]),
        *_unless(None, volume=_volume(spec)),
        *_unless(0, shm_mb=spec.shm_mb),
    ]


def _variable(var: EnvVar) -> dict[str, Any]:
    pairs: list[tuple[str, Any]] = [
        ("name", var.name),
        *_unless("", value="" if var.secret else var.value),
        *_unless(False, secret=var.secret),
        *_unless(False, needed=var.needed),
        *_unless("", note=var.note),
    ]
    return dict(pairs)


def _volume(spec: ContainerSpec) -> dict[str, str] | None:
    if spec.volume is None:
        return None
    return {"name": spec.volume.name, "mount": spec.volume.mount}


def _example(example: Example | None) -> dict[str, str] | None:
    if example is None:
        return None
    usual = "POST" if example.body else "GET"
    pairs: list[tuple[str, Any]] = [
        *_unless(usual, method=example.method),
        ("path", example.path),
        *_unless("", body=example.body),
    ]
    return dict(pairs)


def _hint(hint: LogHint) -> dict[str, str]:
    pairs: list[tuple[str, Any]] = [
        ("pattern", hint.pattern),
        ("title", hint.title),
        ("body", hint.body),
        *_unless("", tier=hint.tier),
    ]
    return dict(pairs)
