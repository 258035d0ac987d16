"""How an answer's body is shown on a page. Pure.

Text comes as it arrives; JSON is set out in lines once it is whole, its numbers as they
were written; pictures, also those inside JSON, are shown; all else can be saved.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

# Characters of a string, and numbers of a list, that are shown; the rest is counted.
_STRING_MAX = 2000
_ROW_MAX = 24
# Characters of the whole text.
_TEXT_MAX = 1_000_000
_PICTURES_MAX = 8
_EMBEDDED = re.compile(r"(?:data:image/[a-z]+;base64,)?([A-Za-z0-9+/]{80,}=*)\Z")
_BEGINS = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif"}
_ENDINGS = {
    "application/zip": "zip",
    "application/pdf": "pdf",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/mpeg": "mp3",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "video/mp4": "mp4",
}


class Kind(Enum):
    TEXT = "text"
    JSON = "json"
    PICTURE = "picture"
    FILE = "file"


@dataclass(frozen=True)
class Shown:
    """What a whole body becomes. pictures and file: data: URLs. name: to save it as."""

    text: str = ""
    pictures: tuple[str, ...] = ()
    file: str = ""
    name: str = ""


@dataclass(frozen=True)
class ContentType:
    media: str
    charset: str = "utf-8"
    kind: Kind = field(default=Kind.FILE)


def content_type(header: str) -> ContentType:
    """What a Content-Type header says; nothing said is taken for text."""
    media, _, rest = header.partition(";")
    media = media.strip().lower()
    found = re.search(r'charset\s*=\s*"?([\w.:-]+)', rest, re.I)
    charset = found[1] if found else "utf-8"
    try:
        "".encode(charset)
    except LookupError:
        charset = "utf-8"
    return ContentType(media, charset, _kind(media))


def _kind(media: str) -> Kind:
    if media == "application/json" or media.endswith("+json"):
        return Kind.JSON
    if media in ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"):
        return Kind.PICTURE
    texts = ("javascript", "xml", "x-www-form-urlencoded", "x-ndjson", "yaml", "jsonl")
    if not media or media.startswith("text/") or media.endswith(texts):
        return Kind.TEXT
    return Kind.FILE


def shown(body: bytes, said: ContentType) -> Shown:
    """A whole body of any kind but TEXT."""
    if said.kind is Kind.JSON:
        return json_shown(body.decode(said.charset, errors="replace"))
    url = f"data:{said.media};base64,{base64.b64encode(body).decode()}"
    if said.kind is Kind.PICTURE:
        return Shown(pictures=(url,))
    return Shown(file=url, name=f"answer.{_ENDINGS.get(said.media, 'bin')}")


class _Number(str):
    """A number as it was written."""


class _Pairs(list[tuple[str, Any]]):
    """An object, its keys in their order and as often as they come."""


def json_shown(text: str) -> Shown:
    """JSON with its parts on lines of their own, and the pictures in it.

    Long strings and rows of numbers are cut, and say how much is left out. What is not
    JSON is shown as it is.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_Pairs,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_Number,
        )
        pictures: list[str] = []
        found = _lines(value, "", pictures)
    except (ValueError, RecursionError):
        return Shown(_cut(text))
    return Shown(_cut(found), tuple(pictures[:_PICTURES_MAX]))


def _lines(value: Any, indent: str, pictures: list[str]) -> str:
    """The value set out; pictures that are met are added."""
    deeper = indent + "  "
    if isinstance(value, _Pairs):
        inside = [
            f"{deeper}{_string(key)}: {_lines(one, deeper, pictures)}"
            for key, one in value
        ]
        return _block("{", inside, indent + "}")
    if isinstance(value, list):
        if value and all(isinstance(one, _Number) for one in value):
            return _row(value)
        inside = [deeper + _lines(one, deeper, pictures) for one in value]
        return _block("[", inside, indent + "]")
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, str):
        if url := _picture(value):
            pictures.append(url)
        return _string(value)
    return json.dumps(value)


def _block(begin: str, inside: list[str], end: str) -> str:
    if not inside:
        return begin + end.strip()
    return "\n".join((begin, ",\n".join(inside), end))


def _row(numbers: list[str]) -> str:
    more = len(numbers) - _ROW_MAX
    tail = f", … {more:,} more" if more > 0 else ""
    return f"[{', '.join(numbers[:_ROW_MAX])}{tail}]"


def _string(text: str) -> str:
    if len(text) > _STRING_MAX:
        return (
            f"{json.dumps(text[:200], ensure_ascii=False)} … {len(text) - 200:,} more"
        )
    return json.dumps(text, ensure_ascii=False)


def _cut(text: str) -> str:
    more = len(text) - _TEXT_MAX
    return f"{text[:_TEXT_MAX]}\n… {more:,} more characters" if more > 0 else text


def _picture(text: str) -> str:
    """The data: URL of a picture in base64; "" when it is none."""
    match = _EMBEDDED.match(text)
    if not match:
        return ""
    first = base64.b64decode(match[1][:16])
    kind = next((k for begin, k in _BEGINS.items() if first.startswith(begin)), "")
    if first[:4] == b"RIFF" and first[8:] == b"WEBP":
        kind = "webp"
    return f"data:image/{kind};base64,{match[1]}" if kind else ""
