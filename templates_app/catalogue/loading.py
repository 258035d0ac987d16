"""Turns the catalogue's files into rows; loading them again changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from templates_app.catalogue.fields import CatalogueError
from templates_app.catalogue.reading import (
    FOLDER,
    CatalogueTemplate,
    CatalogueTier,
    read_templates,
    read_tiers,
)
from templates_app.models import Template, Tier


@dataclass(frozen=True)
class Loaded:
    """What a load did: slugs of templates that are new, changed and gone."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    retired: tuple[str, ...]
    unchanged: int


def load(folder: Path = FOLDER) -> Loaded:
    """Bring tiers and templates to what the files say, all or nothing.

    A template whose file is gone is retired: endpoints made from it keep it. Raises
    CatalogueError and then changes nothing.
    """
    tiers = read_tiers(folder)
    templates = read_templates(folder)
    _check_tiers(templates, {tier.slug for tier in tiers})
    with transaction.atomic():
        _load_tiers(tiers)
        return _load_templates(templates)


def _check_tiers(templates: list[CatalogueTemplate], slugs: set[str]) -> None:
    for template in templates:
        named = {template.tier}
        named |= {hint["tier"] for hint in template.fields["spec"]["hints"]} - {""}
        for slug in sorted(named - slugs):
            problem = f'there is no tier "{slug}" in tiers.yaml'
            raise CatalogueError(f"{template.slug}.yaml", "tier", problem)


def _load_tiers(tiers: list[CatalogueTier]) -> None:
    """An administrator's tiers stay, those of the catalogue that they changed as well.

    So do prices, which the catalogue knows nothing of.
    """
    edited = set(Tier.objects.filter(edited=True).values_list("slug", flat=True))
    for tier in tiers:
        if tier.slug not in edited:
            Tier.objects.update_or_create(slug=tier.slug, defaults=tier.fields)


def _load_templates(templates: list[CatalogueTemplate]) -> Loaded:
    known = {row.slug: row for row in Template.objects.filter(owner=None)}
    added: list[str] = []
    changed: list[str] = []
    unchanged = 0
    for template in templates:
        row = known.pop(template.slug, None)
        if row and row.digest == template.digest and not row.retired:
            unchanged += 1
            continue
        (changed if row else added).append(template.slug)
        Template.objects.update_or_create(
            slug=template.slug,
            defaults={
                **template.fields,
                "tier_id": template.tier,
                "digest": template.digest,
                "retired": False,
            },
        )
    gone = sorted(slug for slug, row in known.items() if not row.retired)
    Template.objects.filter(slug__in=gone, owner=None).update(retired=True)
    return Loaded(tuple(added), tuple(changed), tuple(gone), unchanged)
