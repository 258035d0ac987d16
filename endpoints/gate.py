"""Lets callers in at the ingress and shuts them out at once, without the worker.

The rows are the truth: when the ingress does not answer, its next sync brings them.
Both act when the current transaction commits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable

from django.db import transaction

from endpoints.ingress import get_ingress
from endpoints.ingress.base import Grant, Ingress, IngressUnreachable

log = logging.getLogger(__name__)


def admit(names: Iterable[str], grant: Grant) -> None:
    """`grant` may call the endpoints of these names."""
    listed = list(names)

    def let_in(ingress: Ingress) -> None:
        for name in listed:
            ingress.admit(name, grant)

    _on_commit(let_in)


def publish(name: str, *, public: bool) -> None:
    """Everybody may call the endpoint of this name, or only those with a grant."""
    _on_commit(lambda ingress: ingress.publish(name, public=public))


def expel(digests: Collection[str]) -> None:
    """Whoever shows one of these may call nothing."""
    gone = sorted(digests)
    if gone:
        _on_commit(lambda ingress: ingress.expel(gone))


def _on_commit(act: Callable[[Ingress], None]) -> None:
    def now() -> None:
        try:
            act(get_ingress())
        except (IngressUnreachable, OSError) as error:
            log.warning("The ingress hears of it at its next sync: %s", error)

    transaction.on_commit(now)
