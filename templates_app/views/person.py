"""Who asks."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest


def person(request: HttpRequest) -> AbstractBaseUser:
    """Who asks; the middleware lets nobody in who has not signed in."""
    assert isinstance(request.user, AbstractBaseUser)  # noqa: S101 - for the types
    return request.user
