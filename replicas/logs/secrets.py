"""The secrets of an endpoint, opened to be masked.

What a container was given is noted beside its log before it starts, so that a secret
which is changed, taken off or deleted meanwhile stays masked for as long as it writes.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from django.db.models import Max

from endpoints import vault
from endpoints.models import Endpoint, RegistryCredential, Revision, Secret
from endpoints.sealing import SealBroken, alike, unseal
from replicas.logs import files, state
from replicas.logs.masks import Masker
from replicas.logs.records import Attempt
from replicas.models import Replica
from templates_app.spec import ContainerSpec

log = logging.getLogger(__name__)


def sealed_of(endpoint_id: int) -> tuple[str, ...]:
    """Secret values it has and its living containers had, still sealed.

    Of all its revisions: a replica of an older one may still write. None when the
    endpoint is gone.
    """
    revisions = Revision.objects.filter(endpoint_id=endpoint_id)
    values = set(_given(endpoint_id))
    owner = Endpoint.objects.filter(pk=endpoint_id).values_list("owner_id", flat=True)
    for owner_id in owner:
        values.update(_sealed_in(owner_id, [row.container for row in revisions]))
    return tuple(sorted(values))


def _sealed_in(owner_id: int, specs: Iterable[ContainerSpec]) -> set[str]:
    specs = list(specs)
    values = {item.value for spec in specs for item in spec.env if item.secret}
    keys = {key for spec in specs for key in spec.secrets}
    registries = {spec.registry for spec in specs if spec.registry}
    if keys:
        values.update(vault.sealed_values(owner_id, keys))
    if registries:
        values.update(vault.sealed_passwords(owner_id, registries))
    return values


def _given(endpoint_id: int) -> Iterable[str]:
    rows = Replica.objects.alive().filter(endpoint_id=endpoint_id)
    for pk, attempt in rows.values_list("pk", "attempt"):
        # The attempt before may have ended just now, with a last word to be told.
        for number in (attempt, attempt - 1):
            yield from state.StateFile(Attempt(endpoint_id, pk, number)).read().sealed


def remember(replica: Replica) -> None:
    """Note what this attempt's container is about to be given. Call it before that.

    Never raises for a full disk; what the endpoint has is masked without it.
    """
    spec = replica.container
    values = _sealed_in(replica.endpoint.owner_id, [spec])
    if not values:
        return
    place = Attempt(replica.endpoint_id, replica.pk, replica.attempt)
    try:
        state.StateFile(place).change(lambda known: _with(known, values))
    except OSError:
        log.warning("Secrets of replica %s were not noted", replica.pk, exc_info=True)


def _with(known: state.State, values: set[str]) -> state.State:
    new = [v for v in sorted(values) if not any(alike(v, old) for old in known.sealed)]
    return replace(known, sealed=(*known.sealed, *new))


def reseal(reseal: Callable[[str, str], str], **_: object) -> None:
    """Renew what is noted beside the logs: a receiver of endpoints.signals."""
    for attempt in files.noted():
        what = f"a mask of replica {attempt.replica_id}'s log"

        def renewed(known: state.State, what: str = what) -> state.State:
            values = tuple(reseal(value, what) for value in known.sealed)
            return replace(known, sealed=values)

        state.StateFile(attempt).change(renewed)


def newest_change() -> tuple[object, ...]:
    """Another value whenever a secret may have been added or changed anywhere."""
    return (
        *Secret.objects.aggregate(Max("updated_at")).values(),
        *RegistryCredential.objects.aggregate(Max("updated_at")).values(),
        *Revision.objects.aggregate(Max("pk")).values(),
    )


def masker(sealed: Iterable[str]) -> Masker:
    """Masks these; one that cannot be opened was never given to a container."""
    return Masker(opened(sealed))


def opened(sealed: Iterable[str]) -> list[str]:
    """Those that can be opened: never log or store the result."""
    found = []
    for value in sealed:
        with contextlib.suppress(SealBroken):
            found.append(unseal(value))
    return found


def masker_for(endpoint_id: int) -> Masker:
    return masker(sealed_of(endpoint_id))
