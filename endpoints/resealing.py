"""Changing the key that seals: a new one, everything sealed anew, the old one dropped.

Every step may be repeated and broken off anywhere: the old key is among the known ones
before the new key is the first, and leaves when nothing needs it. What is sealed anew
says the same, so no container is replaced and no revision made.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models, transaction

from endpoints import sealing, signals
from endpoints.models import Endpoint, RegistryCredential, Revision, Secret
from templates_app.models import Template


class NoKeyFile(Exception):
    """The keys are not in files that can be written; the text says what to do."""


@dataclass
class Tally:
    """What a pass found. lost: what each value that no key opens belongs to."""

    renewed: int = 0
    fresh: int = 0
    lost: list[str] = field(default_factory=list)

    def reseal(self, sealed: str, what: str) -> str:
        """The value under the newest key; unchanged when no key opens it."""
        try:
            new = sealing.resealed(sealed)
        except sealing.SealBroken:
            self.lost.append(what)
            return sealed
        if new == sealed:
            self.fresh += 1
        else:
            self.renewed += 1
        return new


def reseal_all() -> Tally:
    """Seal with the newest key whatever another one sealed, row by row."""
    tally = Tally()
    for model in (Secret, RegistryCredential):
        _each(model, tally, _reseal_row)
    for kind in (Endpoint, Revision, Template):
        _each(kind, tally, _reseal_spec)
    signals.resealing.send(sender=None, reseal=tally.reseal)
    return tally


def _each(
    model: type[models.Model], tally: Tally, renew: Callable[[Any, Tally], bool]
) -> None:
    rows = model._default_manager.all()
    for pk in list(rows.values_list("pk", flat=True)):
        with transaction.atomic():
            # Read and written under one lock: a change meanwhile is not undone.
            row = rows.select_for_update(no_key=True).filter(pk=pk).first()
            if row is not None:
                renew(row, tally)


def _reseal_row(row: Secret | RegistryCredential, tally: Tally) -> bool:
    what = f"{row.key} of {row.owner.get_username()}"
    sealed = tally.reseal(row.sealed, what)
    # Not `save`: when its value was changed stays as it is.
    same = type(row)._default_manager.filter(pk=row.pk).exclude(sealed=sealed)
    return bool(same.update(sealed=sealed))


def _reseal_spec(row: Endpoint | Revision | Template, tally: Tally) -> bool:
    variables = [item for item in row.spec.get("env", ()) if item.get("secret")]
    before = [item["value"] for item in variables]
    for item in variables:
        if item["value"]:  # a template may ask for one that it has not
            item["value"] = tally.reseal(item["value"], f"{item['name']} of {row}")
    if before == [item["value"] for item in variables]:
        return False
    return bool(type(row)._default_manager.filter(pk=row.pk).update(spec=row.spec))


# --- Key files ---------------------------------------------------------------
def new_key() -> None:
    """Make a new key the first one; the one before still opens. Raises NoKeyFile."""
    newest, older = _files()
    known = sealing.keys()
    # First, so that there is no moment at which the old key is in neither file.
    _write(older, known)
    _write(newest, (secrets.token_hex(32),))


def drop_old() -> Tally:
    """Seal everything with the newest key, then forget the others. Raises NoKeyFile."""
    _, older = _files()
    tally = reseal_all()
    older.unlink(missing_ok=True)
    return tally


def _files() -> tuple[Path, Path]:
    newest, older = settings.ALIGHT_KEY_FILE, settings.ALIGHT_OLD_KEYS_FILE
    if newest is None or older is None:
        raise NoKeyFile(
            "The key is in a variable, where only you can change it. Put a new one "
            "into ALIGHT_SECRET_KEY and the one it replaces into "
            "ALIGHT_OLD_SECRET_KEYS, start Alight anew, then run this without options."
        )
    return newest, older


def _write(path: Path, keys: tuple[str, ...]) -> None:
    """All or nothing, also when the power fails."""
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write("".join(f"{key}\n" for key in keys))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise NoKeyFile(
            f"{path} cannot be written ({error.strerror}). Nothing was changed that "
            "is not still opened. Make it writable, then run this again."
        ) from None
