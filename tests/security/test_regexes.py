"""No pattern of ours takes for ever, whatever it is tried on."""

from __future__ import annotations

import ast
import re
import signal

import pytest
from django.conf import settings

APPS = ("console", "endpoints", "replicas", "templates_app", "launcher")
ASKS = {
    "compile",
    "search",
    "match",
    "fullmatch",
    "sub",
    "split",
    "findall",
    "finditer",
}
# Each many times over, then a letter that hardly any pattern ends with.
PUMPS = [
    "a", "A", "0", " ", "-", ".", "_", "/", ":", ",", "\t", "=", "\x1b", "\x1b[", "<a>",
    "%", "a.", "a-", "0.", "a/", "/a", "a:", "a=", " a", "\"", "\\", "(", "[", "0:",
    ";", "1 ", "é", "\n", "\r", "a\n", "https://a", "alt_", "#", "{", "$",
]  # fmt: skip
MANY, LAST = 1500, "\x00"


def sources():
    for app in APPS:
        for path in sorted((settings.BASE_DIR / app).rglob("*.py")):
            if not {"tests", "migrations", "builds"} & set(path.parts):
                yield path


def patterns():
    """Every pattern that is written out in a call of `re`."""
    found = set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr in ASKS and node.args:
                first = node.args[0]
                of_re = isinstance(called.value, ast.Name) and called.value.id == "re"
                if of_re and isinstance(first, ast.Constant):
                    found.add(first.value)
    return sorted(p for p in found if isinstance(p, str))


@pytest.fixture
def watchdog():
    def late(number, frame):
        raise TimeoutError("a pattern does not end")

    before = signal.signal(signal.SIGALRM, late)
    yield lambda: signal.alarm(60)
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_every_pattern_ends(watchdog):
    there = patterns()
    assert len(there) > 40
    stuck = []
    for pattern in there:
        compiled = re.compile(pattern)
        # For each pattern: what takes longer by far grows without end.
        watchdog()
        try:
            for pump in PUMPS:
                for ask in (compiled.fullmatch, compiled.search):
                    ask(pump * MANY + LAST)
        except TimeoutError:
            stuck.append(pattern)
    assert stuck == []


def test_the_check_finds_one_that_does_not(watchdog):
    signal.alarm(2)
    with pytest.raises(TimeoutError):
        re.compile("(a+)+b").fullmatch("a" * MANY + LAST)
