"""The registry sign-in that an image is asked for with."""

from __future__ import annotations

from endpoints import vault
from replicas.engine.base import EngineError, SignIn


class SignInLost(EngineError):
    """The chosen registry sign-in is not there, or cannot be opened."""

    reason = "SignInLost"


def sign_in(owner_id: int, key: str) -> SignIn | None:
    """The owner's sign-in of this key, opened; None for "". Raises SignInLost."""
    try:
        found = vault.sign_in(owner_id, key)
    except vault.SecretMissing as error:
        raise SignInLost(str(error)) from None
    if found is None:
        return None
    return SignIn(found.registry, found.username, found.password)
