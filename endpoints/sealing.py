"""Secret values at rest: encrypted with a key made from the installation's secret.

Sealed with the newest key, opened with any. Keys that are in files are looked up anew
when those change, so that a running console follows a rotation (endpoints.resealing).
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from templates_app.spec import ContainerSpec

Keys = tuple[str, ...]


class SealBroken(Exception):
    """The value was sealed with a key that is not known, or was changed."""


def seal(plain: str) -> str:
    return _fernet(keys()[0]).encrypt(plain.encode()).decode()


def unseal(sealed: str) -> str:
    """The plain value. Raises SealBroken."""
    known = keys()
    plain = _opened(sealed, known)
    # Between two looks at the files a rotation may have come by.
    if plain is None and (now := keys()) != known:
        plain = _opened(sealed, now)
    if plain is None:
        raise SealBroken(
            "A secret could not be opened. Was ALIGHT_SECRET_KEY changed?"
        ) from None
    return plain


def resealed(sealed: str) -> str:
    """The same value under the newest key: the same text if it is that already.

    Raises SealBroken.
    """
    if _opened(sealed, keys()[:1]) is not None:
        return sealed
    return seal(unseal(sealed))


def alike(one: str, other: str) -> bool:
    """Whether two sealed values say the same."""
    if one == other:
        return True
    try:
        return unseal(one) == unseal(other)
    except SealBroken:
        return False


def same_container(one: ContainerSpec, other: ContainerSpec) -> bool:
    """Whether both are the same container, however their secrets are sealed."""
    if replace(one, env=()) != replace(other, env=()) or len(one.env) != len(other.env):
        return False
    return all(
        replace(a, value="") == replace(b, value="")
        and (alike(a.value, b.value) if a.secret else a.value == b.value)
        for a, b in zip(one.env, other.env, strict=True)
    )


def keys() -> Keys:
    """All that open, the newest first."""
    newest, older = settings.ALIGHT_KEY_FILE, settings.ALIGHT_OLD_KEYS_FILE
    first = _read(newest)[:1] or (settings.SECRET_KEY,)
    rest = _read(older) or tuple(settings.SECRET_KEY_FALLBACKS)
    return tuple(dict.fromkeys((*first, *rest)))


def _read(path: Path | None) -> Keys:
    """The keys in this file, one a line; none when there is no file."""
    try:
        found = path.stat() if path else None
    except OSError:
        found = None
    if path is None or found is None:
        return ()
    return _lines(path, found.st_mtime_ns, found.st_ino)


@cache
def _lines(path: Path, changed: int, inode: int) -> Keys:
    return tuple(filter(None, map(str.strip, path.read_text().splitlines())))


@cache
def _fernet(secret: str) -> Fernet:
    digest = hashlib.sha256(b"alight sealing:" + secret.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))


def _opened(sealed: str, known: Keys) -> str | None:
    for key in known:
        try:
            return _fernet(key).decrypt(sealed.encode()).decode()
        except InvalidToken:
            continue
    return None
