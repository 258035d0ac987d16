"""Patterns of hints: those that can take for ever are not kept."""

from __future__ import annotations

import re
import signal

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from templates_app import patterns
from templates_app.catalogue.loading import load
from templates_app.models import Template
from templates_app.patterns import slow_problem


@pytest.mark.parametrize(
    "pattern",
    [
        "CUDA out of memory",
        "CUDA out of memory|No available memory",
        "401 Client Error|GatedRepoError",
        r"exit(?:ed)? with code \d+",
        r"^\s*Error: .*memory",
        r"\d{4}-\d{2}-\d{2} [A-Z]{3,5}",
        r"(?:\d{2}:){2}\d{2}",
        r"a{1,20}b?",
    ],
)
def test_what_people_write_is_kept(pattern):
    assert slow_problem(pattern) == ""


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(a+)+b", patterns.NESTED),
        ("(a*)*b", patterns.NESTED),
        ("(?:a+){1,9}b", patterns.NESTED),
        ("(a|aa)+b", patterns.NESTED),
        ("(a|aa){30}b", patterns.NESTED),
        ("(ab?)*c", patterns.NESTED),
        ("((a{1,3}){1,3}){1,3}c", patterns.NESTED),
        ("(?:(?:x+))+y", patterns.NESTED),
        (".*.*.*x", patterns.ENDLESS),
        ("a{0,90}a{0,90}a{0,90}b", patterns.ENDLESS),
        ("a?" * 20 + "a" * 20, patterns.CHOICES),
        ("(?:a|b1)" * 9, patterns.CHOICES),
        (r"(a*)\1b", patterns.BACK),
        ("(?=a+)b", patterns.BACK),
        ("(?!a+)b", patterns.BACK),
        ("(?<=a)b", patterns.BACK),
        # JavaScript reads the brackets as whole, and what follows as a pattern.
        ("[^](a+)+b]", patterns.ODD),
        ("[](a+)+b]", patterns.ODD),
    ],
)
def test_what_could_take_for_ever_is_not(pattern, problem):
    assert slow_problem(pattern) == problem


@pytest.fixture
def watchdog():
    """A match that does not end is ended, and the test fails."""

    def late(number, frame):
        raise TimeoutError("this match does not end")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


_PIECES = st.sampled_from(
    [
        "a",
        "b",
        ".",
        "a+",
        ".*",
        "a?",
        "(",
        ")",
        "|",
        "*",
        "+",
        "?",
        "{2,9}",
        "[ab]",
        "c",
    ]
)


def test_whatever_is_kept_ends_on_what_is_hardest(watchdog):
    """Small patterns out of all that can repeat, and lines they all but match."""
    kept = []

    @settings(
        max_examples=200,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(_PIECES, min_size=2, max_size=9).map("".join))
    def tried(pattern):
        try:
            compiled = re.compile(pattern)
        except (re.error, Warning):
            assume(False)
        if slow_problem(pattern):
            return
        kept.append(pattern)
        for line in ("a" * 60 + "!", "ab" * 30 + "!", "b" * 60):
            compiled.search(line)

    tried()
    assert len(kept) > 30


@pytest.mark.django_db
def test_the_catalogues_own_are_fine():
    load()
    found = [h.pattern for t in Template.objects.all() for h in t.container.hints]
    assert len(found) > 5
    assert {p: slow_problem(p) for p in found if slow_problem(p)} == {}
