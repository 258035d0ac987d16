"""The rules around replicas, as the worker noted them."""

from __future__ import annotations

from console.doctor import place
from console.doctor.finding import CannotLook, Finding, fine, note
from launcher import isolation


def check() -> list[Finding]:
    told = isolation.noted(place.config())
    if not told:
        raise CannotLook("the worker has noted nothing yet.")
    if told.get("fenced"):
        return [fine(str(told["text"]))]
    return [
        note(str(told["text"]), "docs/isolation.md; manage.py isolation says more.")
    ]
