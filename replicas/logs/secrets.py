"""The secrets of an endpoint, opened to be masked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from endpoints import vault
from endpoints.models import Endpoint, Revision
from endpoints.sealing import SealBroken, unseal
from replicas.logs.masks import Masker


def sealed_of(endpoint_id: int) -> tuple[str, ...]:
    """Secret values of all its revisions, still sealed; none when it is gone.

    Of all: a replica of an older one may still write.
    """
    specs = [
        revision.container
        for revision in Revision.objects.filter(endpoint_id=endpoint_id)
    ]
    values = {item.value for spec in specs for item in spec.env if item.secret}
    keys = {key for spec in specs for key in spec.secrets}
    owner = Endpoint.objects.filter(pk=endpoint_id).values_list("owner_id", flat=True)
    for owner_id in owner:
        values.update(vault.sealed_values(owner_id, keys))
    return tuple(sorted(values))


def masker(sealed: Iterable[str]) -> Masker:
    """Masks these; one that cannot be opened was never given to a container."""
    opened = []
    for value in sealed:
        with contextlib.suppress(SealBroken):
            opened.append(unseal(value))
    return Masker(opened)


def masker_for(endpoint_id: int) -> Masker:
    return masker(sealed_of(endpoint_id))
