"""Guessing passwords: who has tried too often waits, and nobody waits for a stranger.

Four counts (docs/access.md has the table). A browser in which somebody signed in before
shows a cookie that says so, and is counted by itself alone: whatever others try from
elsewhere, or from behind the same address, its people sign in.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import unicodedata
from dataclasses import dataclass

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest, HttpResponse

from endpoints.limits import Counted, Limit, counters, place_of

log = logging.getLogger(__name__)

# For one name from one address; from everywhere; for any name from one address.
HERE = Limit(5, 300)
ACCOUNT = Limit(50, 900)
ADDRESS = Limit(50, 300)
# For one name in a browser that knows it.
BROWSER = Limit(10, 300)
KNOWN_SECONDS = 180 * 86_400

_SIGNER = TimestampSigner(salt="console.guard")


class TooManyTries(Exception):
    """Wait before the next one."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(frozen=True)
class Try:
    """A try that is counted as wrong until it is said to be right."""

    counted: tuple[Counted, ...]

    def was_right(self) -> None:
        """Forget those before it, of this name and place; no others, or whoever has
        an account here could guess at another's for ever."""
        own, *others = (name for name, _ in self.counted)
        counters().give_back(own, others)


def begin(request: HttpRequest, username: str) -> Try:
    """Count one try. Raises TooManyTries when there is no room for it."""
    account = account_of(username)
    place = place_of(request.META.get("REMOTE_ADDR", ""))
    browser = _known(request, account)
    if browser:
        counted: tuple[Counted, ...] = ((f"browser:{account}:{browser}", BROWSER),)
    else:
        counted = (
            (f"here:{account}:{place}", HERE),
            (f"account:{account}", ACCOUNT),
            (f"address:{place}", ADDRESS),
        )
    if seconds := counters().take(counted):
        log.warning("Too many wrong passwords from %s: asked to wait", place)
        raise TooManyTries(seconds)
    return Try(counted)


def remember(request: HttpRequest, response: HttpResponse, username: str) -> None:
    """Give the cookie that says: this name signed in here."""
    known = _SIGNER.sign(f"{account_of(username)}.{secrets.token_urlsafe(12)}")
    response.set_cookie(
        settings.ALIGHT_KNOWN_COOKIE,
        known,
        max_age=KNOWN_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def allow(username: str | None) -> int:
    """End the counts of this name, or all. How many there were. Raises
    redis.RedisError and OSError."""
    return counters().forget(*([account_of(username)] if username else []))


def account_of(username: str) -> str:
    """What stands for a name: people type passwords there, which nobody keeps."""
    folded = unicodedata.normalize("NFKC", username).casefold()
    return hashlib.sha256(folded.encode(errors="replace")).hexdigest()[:32]


def _known(request: HttpRequest, account: str) -> str:
    """Names the browser, where this account signed in; "" otherwise."""
    shown = request.COOKIES.get(settings.ALIGHT_KNOWN_COOKIE, "")
    try:
        said = _SIGNER.unsign(shown, max_age=KNOWN_SECONDS)
    except BadSignature:
        return ""
    whose, _, browser = said.partition(".")
    return browser if whose == account else ""
