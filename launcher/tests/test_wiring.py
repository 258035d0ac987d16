"""Tests run against a home of their own."""

from pathlib import Path

import pytest
from django.conf import settings

from tests.environment import HOME


def test_settings_live_in_the_run_s_own_folder():
    assert Path(settings.ALIGHT_HOME) == HOME.resolve()
    assert str(settings.DATABASES["default"]["NAME"]).startswith(str(HOME)) or (
        "memory" in str(settings.DATABASES["default"]["NAME"])
    )
    assert f"unix://{HOME}/run/valkey.sock" == settings.ALIGHT_VALKEY_URL


@pytest.mark.valkey
def test_valkey_answers_at_the_settings_address(valkey, valkey_url):
    valkey.set("greeting", "hello")
    assert valkey_url == settings.ALIGHT_VALKEY_URL
    assert valkey.get("greeting") == "hello"
