"""Sessions of the console whose end takes along what they opened at endpoints.

A session ends by sign-out, by a sign-in of somebody else over it, and when its password
is no longer the person's: all empty it by `flush`, and only the first says so by a
signal.
"""

from __future__ import annotations

from django.contrib.sessions.backends import db

from endpoints import passes


class SessionStore(db.SessionStore):
    """The name is Django's: SESSION_ENGINE names this module."""

    def flush(self) -> None:
        passes.session_ends(self)
        super().flush()
