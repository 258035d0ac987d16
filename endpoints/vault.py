"""Secrets and registry sign-ins of an account: kept sealed, opened for a container."""

from __future__ import annotations

from collections.abc import Collection

from endpoints.models import Secret
from endpoints.sealing import SealBroken, unseal


class SecretMissing(Exception):
    """A secret that an endpoint chose is not there, or cannot be opened."""


def opened(owner_id: int, keys: Collection[str]) -> dict[str, str]:
    """The account's secrets of these keys, in plain: never log or store the result.

    Raises SecretMissing with a sentence that names the first one.
    """
    if not keys:
        return {}
    sealed = dict(
        Secret.objects.filter(owner_id=owner_id, key__in=keys).values_list(
            "key", "sealed"
        )
    )
    values = {}
    for key in keys:
        if key not in sealed:
            raise SecretMissing(
                f"The secret {key} is not there any more. Add it on the Secrets page, "
                "or take it off this endpoint."
            )
        try:
            values[key] = unseal(sealed[key])
        except SealBroken as error:
            raise SecretMissing(f"{key}: {error}") from None
    return values


def sealed_values(owner_id: int, keys: Collection[str]) -> list[str]:
    """Those that are there, still sealed."""
    rows = Secret.objects.filter(owner_id=owner_id, key__in=keys)
    return list(rows.values_list("sealed", flat=True))
