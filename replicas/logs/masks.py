"""Secret values, kept out of logs. Pure.

Masked before a line is cut or stored. A secret of several lines is masked line by
line, for that is how it would be printed. What is shorter than `SHORTEST` stays, or
every "1" of a log would go with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "•••"
SHORTEST = 4


class Masker:
    """
    >>> Masker(["hunter2!"]).mask("password=hunter2! url=hunter2%21")
    'password=••• url=•••'
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms: list[str] = []
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Mask these as well from now on."""
        known = {*self._forms, *_forms(secrets)}
        # Longest first: of two secrets of which one begins the other, mask all.
        self._forms = sorted(known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._forms)))
        self._drawn = re.compile("|".join(map(_across_returns, self._forms)))
        self.longest = len(self._forms[0]) if self._forms else 0

    def mask(self, text: str) -> str:
        """`text` without any secret; the same object when there is none."""
        for form in self._forms:
            if form in text:
                return self._pattern.sub(MASK, text)
        return text

    def mask_drawn(self, text: str) -> str:
        """As `mask`, for a line before its carriage returns are acted on.

        One that is half overwritten, or broken by returns, would show the rest.
        """
        if "\r" not in text or not self._forms:
            return text
        return self._drawn.sub(MASK, text)

    def mask_unfinished(self, text: str) -> str:
        """As `mask`, for text that is still being written.

        What may be the beginning of a secret at its end is masked too.
        """
        text = self.mask(text)
        longest = max(
            (
                n
                for form in self._forms
                for n in range(len(form))
                if _ends(text, form, n)
            ),
            default=0,
        )
        return text[: len(text) - longest] + MASK if longest else text


def _ends(text: str, form: str, n: int) -> bool:
    return n > 0 and text.endswith(form[:n])


def _across_returns(form: str) -> str:
    return "\r*".join(map(re.escape, form))


def _forms(secrets: Iterable[str]) -> set[str]:
    """The secrets as they may be printed: plain, in a URL, in JSON, in repr."""
    forms = set()
    for secret in secrets:
        for line in secret.replace("\r", "\n").split("\n"):
            plain = line.strip()
            if len(plain) < SHORTEST:
                continue
            forms |= {
                plain,
                quote(plain, safe=""),
                quote_plus(plain),
                json.dumps(plain)[1:-1],
                json.dumps(plain, ensure_ascii=False)[1:-1],
                repr(plain)[1:-1],
            }
    return forms
