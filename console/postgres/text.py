"""Any text a program hands us is kept, as SQLite keeps it.

PostgreSQL refuses the character NUL in text, and half of a surrogate pair as well. A
container may print both, and a client may send both as JSON. What refuses them would
lose the whole row, so each becomes the sign for what cannot be shown (U+FFFD).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from django.db.backends.postgresql.operations import DatabaseOperations
from psycopg.adapt import AdaptersMap
from psycopg.types.string import StrDumper, StrDumperUnknown

_REFUSED = re.compile("[\x00\ud800-\udfff]")
_INSTEAD = "\N{REPLACEMENT CHARACTER}"


def kept(text: str) -> str:
    return _REFUSED.sub(_INSTEAD, text)


class AnyText(StrDumper):
    def dump(self, obj: str) -> Any:
        return super().dump(kept(obj))


class AnyUnknown(StrDumperUnknown):
    def dump(self, obj: str) -> Any:
        return super().dump(kept(obj))


@lru_cache
def keep_any_text(adapters: AdaptersMap) -> AdaptersMap:
    """A copy of these with our own dumpers for text; the last is the usual one."""
    own = AdaptersMap(adapters)
    own.register_dumper(str, AnyText)
    own.register_dumper(str, AnyUnknown)
    return own


class Operations(DatabaseOperations):
    def adapt_json_value(self, value: Any, encoder: Any) -> Any:
        return super().adapt_json_value(kept_within(value), encoder)


def kept_within(value: Any) -> Any:
    """The same JSON, each text in it as it can be kept."""
    match value:
        case str():
            return kept(value)
        case dict():
            return {kept_within(key): kept_within(item) for key, item in value.items()}
        case list() | tuple():
            return [kept_within(item) for item in value]
    return value
