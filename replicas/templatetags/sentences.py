"""Sentences, small bubbles and charts as HTML. In Python: a long list has thousands."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from django import template
from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from replicas.page.listing import Mini
from replicas.page.sparks import Traffic
from replicas.page.words import Part, Sentence

register = template.Library()


@register.filter
def sentence(parts: Sentence | str) -> SafeString:
    """Pieces that live.js keeps counting (replicas/page/words.py)."""
    return mark_safe("".join(map(_part, parts or ())))  # noqa: S308 - escaped below


def _part(part: Part | str) -> str:
    if isinstance(part, str):
        return escape(part)
    text = escape(part.text)
    if not part.kind:
        return text
    if part.kind == "progress":
        where = f'data-progress="{part.replica}" data-field="{part.field}"'
        return f"<span {where}>{text}</span>"
    at = part.at.isoformat() if part.at else ""
    if part.kind in ("clock", "moment"):
        return f'<time datetime="{at}" data-{part.kind}>{text}</time>'
    fine = f' data-fine="{part.fine}"' if part.kind == "for" else ""
    return f'<span data-{part.kind}="{at}"{fine}>{text}</span>'


@register.filter
def minis(bubbles: Iterable[Mini]) -> SafeString:
    """The row of a list's small bubbles."""
    return mark_safe("".join(map(_mini, bubbles)))  # noqa: S308 - numbers and states


def _mini(mini: Mini) -> str:
    told = f' id="mini-{mini.replica_id}" data-replica="{mini.replica_id}"'
    whose = told if mini.replica_id else ""
    part = "" if mini.part is None else f' data-p="{mini.part}"'
    return (
        f'<span class="bubble bubble-xs" data-state="{mini.state}"{whose}{part}>'
        f"{_picture(mini.part)}</span>"
    )


@lru_cache(maxsize=256)
def _picture(part: float | None) -> str:
    return render_to_string("console/bubble.svg", {"p": part})


@register.filter
@lru_cache(maxsize=1024)
def spark(traffic: Traffic) -> SafeString:
    """The last hour of a row: mostly the same as when it was drawn before."""
    area, line = traffic.paths
    under = f'<path class="area" d="{area}"/>' if area else ""
    return mark_safe(  # noqa: S308 - numbers and words of our own
        f'<svg class="spark{"" if area else " flat"}" viewBox="0 0 1000 100" '
        f'preserveAspectRatio="none" role="img" aria-label="{traffic.spoken}">'
        f'{under}<path class="line" d="{line}"/></svg>'
    )
