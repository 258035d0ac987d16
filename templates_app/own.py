"""The verbs on templates of one's own: save, read, import, change, delete.

The catalogue's belong to nobody and are not touched here.
"""

from __future__ import annotations

import difflib
import secrets
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from templates_app.catalogue.fields import CatalogueError
from templates_app.catalogue.parsing import parse
from templates_app.catalogue.reading import builds_of, template_of
from templates_app.catalogue.writing import as_yaml
from templates_app.models import Template, Tier
from templates_app.spec import ContainerSpec

# How many one person may have.
OWN_MAX = 200


class CannotKeep(Exception):
    """A template that is not kept; the text says why and what to do."""


@dataclass(frozen=True)
class Draft:
    """A template that was read and is not saved: what `add` keeps."""

    tier: Tier
    fields: dict[str, Any]

    @property
    def container(self) -> ContainerSpec:
        return ContainerSpec.from_json(self.fields["spec"])

    @property
    def template(self) -> Template:
        """As a row that is not in the database, for showing it."""
        return Template(tier=self.tier, **self.fields)


def read(text: str) -> Draft:
    """What somebody's file says. Raises CatalogueError."""
    data = parse(text)
    slug, fields = template_of(data, builds=builds_of())
    tiers = {tier.slug: tier for tier in Tier.objects.all()}
    named = [("tier", slug, data.lines["tier"])]
    hints = zip(fields["spec"]["hints"], data.get("hints", []), strict=True)
    named += [
        (f"hints, entry {number}, tier", hint["tier"], written.lines.get("tier", 0))
        for number, (hint, written) in enumerate(hints, 1)
        if hint["tier"]
    ]
    for field, tier, line in named:
        if tier not in tiers:
            raise CatalogueError("", field, _no_tier(tier, list(tiers)), line)
    return Draft(tiers[slug], fields)


def _no_tier(slug: str, there: list[str]) -> str:
    near = difflib.get_close_matches(slug, there, n=1)
    meant = f" Did you mean “{near[0]}”?" if near else ""
    names = ", ".join(there) or "none, until the catalogue is loaded"
    return f"there is no tier “{slug}” here.{meant} There is: {names}"


def add(owner: AbstractBaseUser, draft: Draft, *, shared: bool = False) -> Template:
    """Keep it as this person's. Raises CannotKeep."""
    if Template.objects.filter(owner_id=owner.pk).count() >= OWN_MAX:
        raise CannotKeep(
            f"You have {OWN_MAX} templates, the most there can be. "
            "Delete one on the Templates page first."
        )
    template = draft.template
    template.owner_id, template.shared = owner.pk, shared
    try:
        # Whatever is kept can be exported and read again.
        read(as_yaml(template))
    except CatalogueError as error:
        told = CatalogueError("", error.field, error.problem).sentence
        raise CannotKeep(f"These settings do not fit a template. {told}") from None
    for slug in _slugs(owner, template.name):
        try:
            with transaction.atomic():
                template.slug = slug
                template.save(force_insert=True)
        except IntegrityError:
            continue
        return template
    raise CannotKeep("No address was free for this template. Try it again.")


def _slugs(owner: AbstractBaseUser, name: str) -> list[str]:
    """Addresses to try: "grace--whisper", "grace--whisper-2", then a random one.

    The two hyphens keep them apart from the catalogue's, whose names have none.
    """
    who = slugify(owner.get_username())[:16].strip("-") or "person"
    what = slugify(name).replace("--", "-")[:34].strip("-_") or "template"
    numbered = [f"{who}--{what}-{number}" for number in range(2, 10)]
    return [f"{who}--{what}", *numbered, f"{who}--{what}-{secrets.token_hex(3)}"]


def change(
    template: Template, *, name: str, summary: str, kind: str, shared: bool
) -> Template:
    """Change what people read of it and who sees it; its address stays."""
    template.name, template.summary = name, summary
    template.kind, template.shared = kind, shared
    template.save(update_fields=["name", "summary", "kind", "shared"])
    return template


def delete(template: Template) -> None:
    """Endpoints that were made from it stay as they are and keep its name."""
    template.delete()
