"""Small words and pictures that templates need."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import ceil
from typing import Any

from django import template
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.simple_tag(takes_context=True)
def current(context: dict[str, Any], url: str) -> SafeString:
    """` aria-current="page"` for the navigation link that this page is below."""
    request = context.get("request")
    if request is None or not url or not request.path.startswith(url):
        return mark_safe("")
    return mark_safe(' aria-current="page"')


@register.filter
def arc(done: object) -> str:
    """How much of a ring is drawn, as stroke-dasharray: 0.42 is "42.0 100"."""
    try:
        share = float(str(done))
    except ValueError:
        return "0 100"
    return f"{min(max(share, 0.005), 1) * 100:.1f} 100"


@register.filter
def gigabytes(count: int) -> str:
    """Bytes as people read image sizes: "9.8 GB", "470 MB"; "" for 0."""
    if not count:
        return ""
    if count < 950_000_000:
        return f"{count / 1e6:.0f} MB"
    return f"{count / 1e9:.1f} GB"


@register.filter
def motif_files(name: str) -> list[str]:
    """Where the picture of a template is; the plain box stands in for an unknown."""
    folder = "templates_app/motifs"
    return [f"{folder}/{name or 'box'}.svg", f"{folder}/box.svg"]


@register.filter
def ago(at: datetime | None) -> str:
    """How long since: "just now", "2 min ago", "3 h ago", "Yesterday", "9 days ago"."""
    if at is None:
        return ""
    seconds = (timezone.now() - at).total_seconds()
    for least, text in (
        (2 * 86400, f"{seconds // 86400:.0f} days ago"),
        (86400, "Yesterday"),
        (3600, f"{seconds // 3600:.0f} h ago"),
        (60, f"{seconds // 60:.0f} min ago"),
    ):
        if seconds >= least:
            return text
    return "just now"


@register.filter
def ends(at: datetime | None) -> str:
    """How long until: "in 20 min", "in 3 h", "in 88 days", "Expired"; None: "Never"."""
    if at is None:
        return "Never"
    seconds = (at - timezone.now()).total_seconds()
    if seconds <= 0:
        return "Expired"
    # Rounded up: what was just made for 7 days ends in 7 days, not in 6.
    minutes = ceil(seconds / 60)
    if minutes < 60:
        return f"in {minutes} min"
    if (hours := ceil(minutes / 60)) < 48:
        return f"in {hours} h"
    return f"in {ceil(minutes / 1440)} days"


@register.filter
def item(mapping: Mapping[Any, Any], key: object) -> object:
    """What the mapping has for this key; None when nothing."""
    return mapping.get(key)
