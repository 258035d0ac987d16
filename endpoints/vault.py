"""Secrets and registry sign-ins of an account: kept sealed, opened for a container.

The verbs are called by page and API. What a running replica was given it keeps until it
is started anew; the masks of its log stay (replicas.logs.secrets).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from endpoints import revisions, worker
from endpoints.models import Endpoint, RegistryCredential, Revision, Secret
from endpoints.sealing import SealBroken, seal, unseal


class SecretMissing(Exception):
    """A secret that an endpoint chose is not there, or cannot be opened."""


class KeyTaken(Exception):
    """The account has one of this name."""


class InUse(Exception):
    """Endpoints use it; the text names them and says what to do."""


# --- For a container ---------------------------------------------------------
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
        values[key] = _plain(key, sealed[key])
    return values


def sealed_values(owner_id: int, keys: Collection[str]) -> list[str]:
    """Those that are there, still sealed."""
    rows = Secret.objects.filter(owner_id=owner_id, key__in=keys)
    return list(rows.values_list("sealed", flat=True))


@dataclass(frozen=True)
class OpenSignIn:
    """A name and password at a registry ("docker.io", "10.0.0.5:5000")."""

    registry: str
    username: str
    password: str = field(repr=False)


def sign_in(owner_id: int, key: str) -> OpenSignIn | None:
    """The account's sign-in of this key, in plain; None for "" (public images).

    Raises SecretMissing with a sentence.
    """
    if not key:
        return None
    row = RegistryCredential.objects.filter(owner_id=owner_id, key=key).first()
    if row is None:
        raise SecretMissing(
            f"The registry sign-in {key} is not there any more. Add it on the Secrets "
            "page, or choose another."
        )
    return OpenSignIn(row.registry, row.username, _plain(key, row.sealed))


def sealed_passwords(owner_id: int, keys: Collection[str]) -> list[str]:
    """Of the sign-ins of these keys that are there, still sealed."""
    rows = RegistryCredential.objects.filter(owner_id=owner_id, key__in=keys)
    return list(rows.values_list("sealed", flat=True))


def _plain(key: str, sealed: str) -> str:
    try:
        return unseal(sealed)
    except SealBroken as error:
        raise SecretMissing(f"{key}: {error}") from None


# --- What there is -----------------------------------------------------------
def missing_secrets(owner_id: int, keys: Collection[str]) -> list[str]:
    """Those of `keys` that the account has not, in their order."""
    if not keys:
        return []
    rows = Secret.objects.filter(owner_id=owner_id, key__in=keys)
    there = set(rows.values_list("key", flat=True))
    return [key for key in keys if key not in there]


def has_sign_in(owner_id: int, key: str) -> bool:
    return RegistryCredential.objects.filter(owner_id=owner_id, key=key).exists()


# --- Who uses what -----------------------------------------------------------
@dataclass
class Uses:
    """Endpoints by the key of what they use, in the order of their names."""

    secrets: dict[str, list[Endpoint]] = field(default_factory=dict)
    registries: dict[str, list[Endpoint]] = field(default_factory=dict)


def uses(owner_id: int) -> Uses:
    """What the account's endpoints want, serve, or would fall back to.

    Four queries at most, however many there are.
    """
    endpoints = list(Endpoint.objects.alive().filter(owner_id=owner_id))
    specs = {endpoint.pk: [endpoint.container] for endpoint in endpoints}
    for revision in Revision.objects.filter(revisions.beside(endpoints)):
        specs[revision.endpoint_id].append(revision.container)
    found = Uses()
    for endpoint in endpoints:
        mine = specs[endpoint.pk]
        for key in {key for spec in mine for key in spec.secrets}:
            found.secrets.setdefault(key, []).append(endpoint)
        for key in {spec.registry for spec in mine if spec.registry}:
            found.registries.setdefault(key, []).append(endpoint)
    return found


# --- Secrets -----------------------------------------------------------------
def add_secret(owner_id: int, key: str, value: str) -> Secret:
    """Keep a value under this name. Raises KeyTaken."""
    try:
        with transaction.atomic():
            return Secret.objects.create(owner_id=owner_id, key=key, sealed=seal(value))
    except IntegrityError:
        raise KeyTaken(
            f"You have a secret {key}. Replace its value, or choose another name."
        ) from None


def change_secret(secret: Secret, value: str) -> None:
    """Replace its value; endpoints get the new one at their next start."""
    rows = Secret.objects.filter(pk=secret.pk)
    rows.update(sealed=seal(value), updated_at=timezone.now())


def delete_secret(secret: Secret) -> None:
    """Raises InUse."""
    with transaction.atomic():
        # One that is chosen at this moment is missing at that endpoint's next start,
        # which says so (docs/known-gaps.md).
        users = uses(secret.owner_id).secrets.get(secret.key, [])
        if users:
            raise InUse(_in_use(secret.key, users))
        secret.delete()


# --- Registry sign-ins -------------------------------------------------------
@dataclass(frozen=True)
class SignInWish:
    """What somebody typed. checked_at: when the registry took it, None if not asked."""

    registry: str
    username: str
    password: str = field(repr=False)
    checked_at: datetime | None = None


def checked(registry: str, username: str, password: str) -> tuple[SignInWish, str]:
    """The sign-in, tried at its registry through the worker: at most some seconds.

    When nobody could try it, it is not checked, and the text says why. Raises
    worker.WorkerRefused when the registry did not take it or is not there.
    """
    try:
        worker.check_sign_in(registry, username, password)
    except worker.WorkerAway as away:
        return SignInWish(registry, username, password), str(away)
    return SignInWish(registry, username, password, timezone.now()), ""


def blamed(refused: worker.WorkerRefused) -> str:
    """The field that a refusal is about."""
    return "password" if refused.reason == "RegistryRefused" else "registry"


def check_free(owner_id: int, key: str) -> None:
    """Before a registry is asked: raises KeyTaken."""
    if has_sign_in(owner_id, key):
        raise KeyTaken(_taken_sign_in(key))


def password_of(row: RegistryCredential) -> str:
    """In plain: never log or show it. Raises SecretMissing."""
    return _plain(row.key, row.sealed)


def add_registry(owner_id: int, key: str, wish: SignInWish) -> RegistryCredential:
    """Keep a sign-in under this name. Raises KeyTaken."""
    try:
        with transaction.atomic():
            return RegistryCredential.objects.create(
                owner_id=owner_id,
                key=key,
                registry=wish.registry,
                username=wish.username,
                sealed=seal(wish.password),
                checked_at=wish.checked_at,
            )
    except IntegrityError:
        raise KeyTaken(_taken_sign_in(key)) from None


def _taken_sign_in(key: str) -> str:
    return f"You have a sign-in {key}. Change it, or choose another name."


def change_registry(row: RegistryCredential, wish: SignInWish) -> None:
    """Sign in differently from the next pull on."""
    now = {
        "registry": wish.registry,
        "username": wish.username,
        "sealed": seal(wish.password),
        "checked_at": wish.checked_at,
        "updated_at": timezone.now(),
    }
    # An update: one that was deleted meanwhile must not come back.
    RegistryCredential.objects.filter(pk=row.pk).update(**now)
    for name, value in now.items():
        setattr(row, name, value)


def delete_registry(row: RegistryCredential) -> None:
    """Raises InUse."""
    with transaction.atomic():
        users = uses(row.owner_id).registries.get(row.key, [])
        if users:
            raise InUse(_in_use(row.key, users))
        row.delete()


def _in_use(key: str, users: list[Endpoint]) -> str:
    names = [endpoint.name for endpoint in users]
    shown = ", ".join(names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    verb = "uses" if len(names) == 1 else "use"
    return (
        f"{shown}{more} {verb} {key}. Take it off there, or delete what no longer "
        "needs it, then try again."
    )
