"""Fixtures of every test: static files without a build, and the people."""

from __future__ import annotations

import pytest

# Valkey, Docker and a whole console for those who ask.
pytest_plugins = ["tests.services", "tests.browser", "tests.images"]


@pytest.fixture(autouse=True)
def plain_static(settings, tmp_path_factory):
    """Static files under their own names, so that pages render without a build."""
    folder = tmp_path_factory.getbasetemp() / "static"
    folder.mkdir(exist_ok=True)
    settings.STATIC_ROOT = folder
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {
            "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        },
    }


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
