"""The Templates page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.views.generic import TemplateView

from templates_app.models import Template, Tier
from templates_app.names import KINDS


@dataclass(frozen=True)
class Filters:
    """What the page is narrowed to, as its URL says: words, a kind, a tier's slug."""

    q: str = ""
    kind: str = ""
    hw: str = ""

    @classmethod
    def of(cls, request: HttpRequest) -> Filters:
        get = request.GET
        return cls(
            get.get("q", "").strip()[:100], get.get("kind", ""), get.get("hw", "")
        )

    def match(self, template: Template, positions: dict[str, int]) -> bool:
        """Every word occurs, the kind is this one, and the tier is large enough."""
        if self.kind and template.kind != self.kind:
            return False
        if self.hw in positions and template.tier.position > positions[self.hw]:
            return False
        text = template.search_text
        return all(word in text for word in self.q.lower().split())


@dataclass(frozen=True)
class Row:
    """One template on the page; rows that do not match are there but hidden."""

    template: Template
    shown: bool


@dataclass(frozen=True)
class Kind:
    slug: str
    label: str
    count: int


class TemplateList(TemplateView):
    """All templates; the query narrows them, and the script does so without asking."""

    template_name = "templates_app/list.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        filters = Filters.of(self.request)
        tiers = list(Tier.objects.all())
        positions = {tier.slug: tier.position for tier in tiers}
        templates = list(Template.objects.published().for_list())
        rows = [Row(t, filters.match(t, positions)) for t in templates]
        return super().get_context_data(
            filters=filters,
            tiers=tiers,
            kinds=_kinds(templates),
            rows=rows,
            shown=sum(row.shown for row in rows),
            **kwargs,
        )


def _kinds(templates: list[Template]) -> list[Kind]:
    """ "All", then each kind that has a template."""
    found = Counter(template.kind for template in templates)
    kinds = [Kind(slug, label, found[slug]) for slug, label in KINDS.items()]
    return [Kind("", "All", len(templates)), *(k for k in kinds if k.count)]
