"""docs/acceptance.md names tests that are there, in the files that it says."""

import re

from django.conf import settings

FOLDERS = {
    "e2e": "tests/e2e",
    "up": "tests/upgrade",
    "co": "tests/compose",
    "r": "replicas/tests",
    "en": "endpoints/tests",
}
# `r/test_plan.py` the_back_off, a_second_name: words with an underscore name tests.
PLACE = re.compile(r"`(e2e|up|co|r|en)/(\w+\.py)`([^`|;]*)")
NAME = re.compile(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b")


def test_every_test_that_it_names_is_there():
    page = (settings.BASE_DIR / "docs" / "acceptance.md").read_text()
    places = PLACE.findall(page)
    assert len(places) > 40
    for folder, file, words in places:
        text = (settings.BASE_DIR / FOLDERS[folder] / file).read_text()
        missing = [n for n in NAME.findall(words) if f"def test_{n}" not in text]
        assert missing == [], f"{file} has no {missing}"
