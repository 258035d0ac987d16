"""Fixtures of every test: the people."""

from __future__ import annotations

import pytest

from endpoints.limits import counters

# Valkey, Docker and a whole console for those who ask.
pytest_plugins = [
    "tests.services",
    "tests.browser",
    "tests.pages",
    "tests.images",
    "tests.engine",
    "tests.registry",
    "tests.order",
]


@pytest.fixture(autouse=True)
def _nobody_tried():
    """As in a process that has just begun: no wrong password or token was counted."""
    counters.cache_clear()


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
