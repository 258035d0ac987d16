"""What is installed is what pyproject.toml asks for, and the same everywhere."""

import tomllib

import pytest
from django.conf import settings
from packaging.requirements import Requirement

ROOT = settings.BASE_DIR
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(name):
    """Versions by package; every line pins one, and names no index and no file."""
    found = {}
    for line in (ROOT / name).read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        package, _, version = line.partition("==")
        assert version, line
        assert not {*"/@:"} & {*line}, line
        found[package.lower().replace("_", "-")] = version
    return found


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("requirements.txt", PROJECT["dependencies"]),
        ("requirements-dev.txt", PROJECT["optional-dependencies"]["dev"]),
    ],
)
def test_everything_asked_for_is_pinned_to_a_version_that_will_do(file, wanted):
    pinned = pins(file)
    for text in wanted:
        asked = Requirement(text)
        version = pinned[asked.name.lower().replace("_", "-")]
        assert asked.specifier.contains(version, prereleases=True), text


def test_tests_run_on_what_runs():
    dev = pins("requirements-dev.txt")
    assert {n: v for n, v in pins("requirements.txt").items() if dev.get(n) != v} == {}


def test_django_is_of_a_series_that_is_mended_for_years():
    """5.2 gets security releases until April 2028; the one after next is 6.2."""
    assert pins("requirements.txt")["django"].startswith("5.2.")
