"""Fixtures of every test: the people."""

from __future__ import annotations

import contextlib

import pytest
import redis

from endpoints import limits
from tests.environment import HOME

# Valkey, Docker and a whole console for those who ask.
pytest_plugins = [
    "tests.services",
    "tests.browser",
    "tests.pages",
    "tests.images",
    "tests.engine",
    "tests.registry",
    "tests.order",
    "tests.twice",
    "tests.emptying",
]

# Longer than people may be kept waiting: a machine that is busy with tests holds Valkey
# up, and what one of them counts by itself is not what the test counts.
limits._PATIENCE = 60.0


@pytest.fixture(autouse=True)
def _nobody_tried():
    """No wrong password or token was counted: in this process, or in the Valkey that an
    earlier test may have started."""
    limits.counters.cache_clear()
    if (HOME / "run" / "valkey.sock").exists():
        with contextlib.suppress(redis.RedisError, OSError):
            limits.counters().forget()
        limits.counters.cache_clear()


@pytest.fixture
def people(db, django_user_model):
    """Makes a person by name; the password is the name and "-secret"."""

    def make(name: str, **fields):
        return django_user_model.objects.create_user(
            name, None, f"{name}-secret", **fields
        )

    return make


@pytest.fixture
def alice(people):
    """Owns the endpoints."""
    return people("alice")


@pytest.fixture
def charlie(people):
    """Must not see what is not his."""
    return people("charlie")
