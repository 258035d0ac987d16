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
# Levels that are set out: what is deeper would be mostly spaces.
_DEPTH_MAX = 64
# Commas and brackets of JSON that is read: nothing else runs while it is, and a million
# take seconds. Pictures have none.
_PARTS_MAX = 400_000
_REST = "Cut here: get the whole answer with one of the snippets."
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
_PACKED_ENDINGS = {"gzip": "gz", "x-gzip": "gz", "br": "br", "zstd": "zst"}
# Python's names of charsets that decode any bytes. Others raise whatever "errors" says
# (utf-16, idna, undefined), or decode no bytes (rot13).
_CHARSETS = {
    "utf8": "utf-8",
    "ascii": "ascii",
    "usascii": "ascii",
    "latin1": "latin-1",
    "iso88591": "latin-1",
    "iso88592": "iso8859-2",
    "iso885915": "iso8859-15",
    "windows1250": "cp1250",
    "windows1251": "cp1251",
    "windows1252": "cp1252",
    "koi8r": "koi8-r",
    "utf16le": "utf-16-le",
    "utf16be": "utf-16-be",
    "shiftjis": "shift_jis",
    "eucjp": "euc_jp",
    "euckr": "euc_kr",
    "big5": "big5",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb18030": "gb18030",
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
    """What a Content-Type header says; nothing said is taken for text.

    The charset is one that decodes anything; UTF-8 for one that is not known.
    """
    media, _, rest = header.partition(";")
    media = media.strip().lower()
    found = re.search(r'charset\s*=\s*"?([\w.:-]+)', rest, re.I)
    said = re.sub(r"[\W_]", "", found[1].lower()) if found else ""
    charset = _CHARSETS.get(said, "utf-8")
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


def packing(header: str) -> str:
    """What a Content-Encoding header says, "gzip, br" for two; "" when it is none."""
    parts = [part.strip().lower() for part in header.split(",")]
    return ", ".join(part for part in parts if part not in ("", "identity"))


def packed(body: bytes, packing: str) -> Shown:
    """A packed body, to be saved: it is never unpacked here, as a thousand bytes may
    hold a gigabyte."""
    url = f"data:application/octet-stream;base64,{base64.b64encode(body).decode()}"
    return Shown(file=url, name=f"answer.{_PACKED_ENDINGS.get(packing, 'bin')}")


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

    __slots__ = ()


class _Pairs(list[tuple[str, Any]]):
    """An object, its keys in their order and as often as they come."""

    __slots__ = ()


def json_shown(text: str) -> Shown:
    """JSON with its parts on lines of their own, and the pictures in it.

    Long strings and rows of numbers are cut, and say how much is left out; so is the
    whole, whose rest is not looked at. What is not JSON, what is deeper than 64 levels
    and what has too many parts is shown as it is.
    """
    if sum(map(text.count, ",[{")) > _PARTS_MAX:
        return Shown(_cut(text))
    page = _Page()
    try:
        value = json.loads(
            text,
            object_pairs_hook=_Pairs,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_Number,
        )
        page.value(value, 0)
    except (ValueError, RecursionError, _TooDeep):
        return Shown(_cut(text))
    except _Full:
        page.parts.append(f"\n… {_REST}")
    # JSON may have half a letter. No page can, so it is shown as it was written.
    found = "".join(page.parts).encode(errors="backslashreplace").decode()
    return Shown(found, tuple(page.pictures))


class _TooDeep(Exception):
    pass


class _Full(Exception):
    """All characters that are shown are written."""


class _Page:
    """A value set out, in parts that follow each other, and the pictures in it."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.pictures: list[str] = []
        self.room = _TEXT_MAX

    def write(self, part: str) -> None:
        self.parts.append(part[: self.room])
        self.room -= len(part)
        if self.room < 0:
            raise _Full

    def value(self, value: Any, depth: int) -> None:
        if isinstance(value, _Number):
            self.write(value)
        elif isinstance(value, str):
            if len(self.pictures) < _PICTURES_MAX and (url := _picture(value)):
                self.pictures.append(url)
            self.write(_string(value))
        elif not isinstance(value, list):
            self.write(json.dumps(value))
        elif isinstance(value, _Pairs):
            self.block("{", value, "}", depth)
        elif value and all(isinstance(one, _Number) for one in value):
            self.write(_row(value))
        else:
            self.block("[", value, "]", depth)

    def block(self, begin: str, inside: list[Any], end: str, depth: int) -> None:
        """Each of a list, or each pair of an object, on a line of its own."""
        if depth == _DEPTH_MAX:
            raise _TooDeep
        self.write(begin)
        line = "\n" + "  " * (depth + 1)
        for one in inside:
            self.write(line)
            if isinstance(inside, _Pairs):
                self.write(f"{_string(one[0])}: ")
                self.value(one[1], depth + 1)
            else:
                self.value(one, depth + 1)
            line = ",\n" + "  " * (depth + 1)
        self.write("\n" + "  " * depth + end if inside else end)


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
