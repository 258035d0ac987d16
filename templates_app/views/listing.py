"""The Templates page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.views.generic import TemplateView

from templates_app.models import Template, Tier
from templates_app.names import KINDS

# Not a kind, but chosen like one.
YOURS = "yours"


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

    def match(
        self, template: Template, positions: dict[str, int], *, yours: bool
    ) -> bool:
        """Every word occurs, the kind is this one, and the tier is large enough."""
        if self.kind and not (yours if self.kind == YOURS else self._is_kind(template)):
            return False
        if self.hw in positions and template.tier.position > positions[self.hw]:
            return False
        text = template.search_text
        return all(word in text for word in self.q.lower().split())

    def _is_kind(self, template: Template) -> bool:
        return template.kind == self.kind


@dataclass(frozen=True)
class Row:
    """One template on the page; rows that do not match are there but hidden."""

    template: Template
    shown: bool
    yours: bool

    @property
    def marks(self) -> list[str]:
        """Whose it is, and whether others see it; nothing for the catalogue's."""
        owner = self.template.owner
        if owner is None:
            return []
        if not self.yours:
            return [f"Shared by {owner.get_username()}"]
        return ["Yours", "Shared"] if self.template.shared else ["Yours"]


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
        me = self.request.user.pk
        templates = list(Template.objects.visible_to(self.request.user).for_list())
        # One's own first; the rest stays in its order.
        templates.sort(key=lambda template: template.owner_id != me)
        rows = [_row(t, filters, positions, yours=t.owner_id == me) for t in templates]
        return super().get_context_data(
            filters=filters,
            tiers=tiers,
            kinds=_kinds(rows),
            rows=rows,
            shown=sum(row.shown for row in rows),
            **kwargs,
        )


def _row(
    template: Template, filters: Filters, positions: dict[str, int], *, yours: bool
) -> Row:
    return Row(template, filters.match(template, positions, yours=yours), yours)


def _kinds(rows: list[Row]) -> list[Kind]:
    """ "All", "Yours" and each kind that has a template."""
    found = Counter(row.template.kind for row in rows)
    kinds = [Kind(slug, label, found[slug]) for slug, label in KINDS.items()]
    yours = Kind(YOURS, "Yours", sum(row.yours for row in rows))
    return [Kind("", "All", len(rows)), *(k for k in (yours, *kinds) if k.count)]
