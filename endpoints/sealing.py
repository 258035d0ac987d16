"""Secret values at rest: encrypted with a key made from the installation's secret."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings


class SealBroken(Exception):
    """The value was sealed with another key, or was changed."""


@cache
def _fernet(secret: str) -> Fernet:
    digest = hashlib.sha256(b"alight sealing:" + secret.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))


def seal(plain: str) -> str:
    return _fernet(settings.SECRET_KEY).encrypt(plain.encode()).decode()


def unseal(sealed: str) -> str:
    """The plain value. Raises SealBroken."""
    try:
        return _fernet(settings.SECRET_KEY).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise SealBroken(
            "A secret could not be opened. Was ALIGHT_SECRET_KEY changed?"
        ) from None
