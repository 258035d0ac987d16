"""The secrets of an endpoint, opened to be masked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from endpoints.models import Endpoint
from endpoints.sealing import SealBroken, unseal
from replicas.logs.masks import Masker


def sealed_of(endpoint_id: int) -> tuple[str, ...]:
    """Its secret environment values, still sealed; none when it is gone."""
    endpoint = Endpoint.objects.filter(pk=endpoint_id).only("spec").first()
    if endpoint is None:
        return ()
    return tuple(item.value for item in endpoint.container.env if item.secret)


def masker(sealed: Iterable[str]) -> Masker:
    """Masks these; one that cannot be opened was never given to a container."""
    opened = []
    for value in sealed:
        with contextlib.suppress(SealBroken):
            opened.append(unseal(value))
    return Masker(opened)


def masker_for(endpoint_id: int) -> Masker:
    return masker(sealed_of(endpoint_id))
