"""How serious a line is, guessed from its words. Pure.

The stream says nothing: many programs write everything to stderr. The first level word
of a line decides, as loggers write it before what they tell; without one, the marks of
a crash do.
"""

from __future__ import annotations

import re

# A line longer than this says its level at the beginning.
_LOOK = 400

# As most loggers write it: in capitals, anywhere before the text.
_CAPITALS = re.compile(
    r"\b(?:(?P<info>DEBUG|INFO|NOTICE|TRACE|VERBOSE)|(?P<warn>WARN|WARNING)"
    r"|(?P<error>ERROR|ERR|CRITICAL|FATAL|SEVERE|PANIC|EMERG))\b"
)
# "error: …", "[warn] …", and fields: level=error, "severity": "warning".
_FIELD = re.compile(
    r"^\W{0,8}(?:(?P<info>debug|info)|(?P<warn>warn(?:ing)?)"
    r"|(?P<error>error|err|fatal(?: error)?|panic|critical))[\]:(]"
    r"|[{,\s]\"?(?:level|lvl|severity)\"?\s?[=:]\s?\"?(?:(?P<info2>debug|info|trace)"
    r"|(?P<warn2>warn)|(?P<error2>err|fatal|crit|panic))",
    re.IGNORECASE,
)
# "E1122 12:00:00.000000": a family of C++ and Go servers.
_LETTER = re.compile(r"(?:(?P<info>I)|(?P<warn>W)|(?P<error>[EF]))\d{4} \d\d:\d\d:\d\d")
_MARKS = re.compile(
    r"(?P<error>(?:^|[\s.])[A-Z]\w*(?:Error|Exception)(?::|$)"
    r"|[Ss]egmentation fault|core dumped|CUDA out of memory|No space left on device)"
    r"|(?P<warn>[A-Z]\w*Warning:)"
)
# One of these is in every line that is not "info": a quick look spares most lines the
# patterns, which take twenty times as long.
_HINTS = (
    *("err", "warn", "exception", "fatal", "crit", "panic", "severe", "emerg"),
    *("fault", "core dumped", "out of memory", "no space left"),
)
_RULES = (_CAPITALS, _FIELD, _LETTER, _MARKS)
_LETTERED = re.compile(r"^[WEF]\d", re.MULTILINE)
_TRACEBACK = "Traceback (most recent call last)"


def plain(text: str) -> bool:
    """Whether no line of `text` can be anything but "info" by its words.

    One look at many lines together. A line of the family of one letter is not seen.
    """
    low = text.lower()
    return not any(hint in low for hint in _HINTS) and _TRACEBACK not in text


def calm(text: str) -> bool:
    """As `plain`, and no line can be of the family of one letter either."""
    return plain(text) and _LETTERED.search(text) is None


def guess(text: str) -> str:
    """ "info", "warn" or "error".

    >>> guess("ERROR: Exception in ASGI application")
    'error'
    >>> guess("INFO:     127.0.0.1 - GET /errors 200")
    'info'
    """
    head = text if len(text) <= _LOOK else text[:_LOOK]
    if plain(head) and not (head[:1] in "WEF" and head[1:5].isdigit()):
        return "info"
    for rule in _RULES:
        if found := rule.search(head):
            return (found.lastgroup or "info").rstrip("2")
    return "info"


class Levels:
    """Guesses line after line of one stream, so that a traceback stays together."""

    def __init__(self) -> None:
        # Within a traceback.
        self.inside = False

    def of(self, text: str) -> str:
        if self.inside:
            # Indented lines belong to it; the first other one names the exception.
            self.inside = not text or text[0].isspace()
            return "error"
        if _TRACEBACK in text:
            self.inside = True
            return "error"
        return guess(text)
