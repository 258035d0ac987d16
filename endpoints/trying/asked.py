"""A request as it is typed, and what may be sent. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import quote

from endpoints.reaching import NOT_HANDED_ON

BODY_MAX = 1_000_000
PATH_MAX = 4000
_LINES_MAX = 50
_LINE_MAX = 4000
_BODILESS = ("GET", "HEAD")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
# As they are in a path; all else is written in percent signs.
_PLAIN = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


@dataclass(frozen=True)
class Asked:
    """method: upper-case. path: ASCII, with its query. headers: in their order."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def later(self) -> bool:
        """Whether it asks to be answered later: the ingress keeps it for the worker."""
        return ("x-octoai-async", "1") in {(n.lower(), v) for n, v in self.headers}


def path_problem(path: str) -> str:
    if not path.startswith("/"):
        return f'Start the path with a slash: "/{path[:40]}".'
    if len(path) > PATH_MAX:
        return f"Keep it to {PATH_MAX:,} characters. This is {len(path):,}."
    if re.search(r"[\s\x00-\x1f\x7f\ud800-\udfff]", path):
        return "Leave spaces and line breaks out of the path. Write %20 for a space."
    return "Leave out “#” and what follows: it is never sent." if "#" in path else ""


def headers_problem(text: str) -> str:
    lines = _lines(text)
    if len(lines) > _LINES_MAX:
        return f"Keep it to {_LINES_MAX} headers. These are {len(lines)}."
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.match(name.strip()):
            return f"Write each header as “Name: value”, unlike “{line[:40]}”."
        if len(line) > _LINE_MAX or not value.isascii() or not value.isprintable():
            return (
                f"The value of {name.strip()} is too long, or has letters that no "
                "header may have."
            )
        if name.strip().lower() in NOT_HANDED_ON:
            return f"Leave out {name.strip()}: it is set when the request is sent."
    return ""


def body_problem(text: str) -> str:
    size = len(text.encode(errors="replace"))
    if size > BODY_MAX:
        return (
            f"Keep it to {BODY_MAX:,} bytes. This is {size:,}: send it with one of the "
            "snippets."
        )
    return ""


def read(method: str, path: str, headers: str, body: str) -> Asked:
    """What was typed, after every problem was found to be none."""
    pairs = [line.partition(":") for line in _lines(headers)]
    given = [(name.strip(), value.strip()) for name, _, value in pairs]
    content = b"" if method in _BODILESS else body.encode(errors="replace")
    if content and not any(name.lower() == "content-type" for name, _ in given):
        given.append(("Content-Type", _kind(body)))
    return Asked(method, quote(path, safe=_PLAIN), tuple(given), content)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _kind(body: str) -> str:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return "text/plain; charset=utf-8"
    return "application/json"


def set_out(body: str) -> str:
    """JSON in lines, as one types it; other texts as they are."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body
