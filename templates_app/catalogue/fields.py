"""One YAML mapping, read field by field; a mistake names its file, line and field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from templates_app import rules

# Of a list: variables, words of a command, hints.
ENTRIES_MAX = 200


class CatalogueError(Exception):
    """A template that cannot be used: "ocr.yaml, line 7, port: …".

    file: "" where there is none, as for pasted text. field: where in it, such as
    "env, entry 2, name"; "" for the whole. line: counted from 1, 0 when unknown.
    """

    def __init__(self, file: str, field: str, problem: str, line: int = 0) -> None:
        self.line, self.field, self.problem = line, field, problem
        parts = [file, f"line {line}" if line else "", field]
        where = ", ".join(part for part in parts if part)
        text = f"{where}: {problem}" if where else problem
        # A name in the file can be half of a letter, which no page can show.
        super().__init__(text.encode(errors="replace").decode())

    @property
    def sentence(self) -> str:
        """As a page shows it: "Line 7, port: write a whole number…"."""
        text = str(self)
        return f"{text[:1].upper()}{text[1:]}."


@dataclass(frozen=True)
class Fields:
    """A mapping, read one field at a time; each reader names its field.

    `path` is where the mapping is in its file, such as "env, entry 2".
    """

    file: str
    values: Mapping[str, Any]
    path: str = ""

    def fail(self, field: str, problem: str) -> CatalogueError:
        """A mistake in that field, or in what should have it, when it is not there."""
        lines = getattr(self.values, "lines", {})
        # A field that is missing from the file's own mapping is on no line.
        begins = getattr(self.values, "line", 0) if self.path else 0
        where = ", ".join(part for part in (self.path, field[:60]) if part)
        return CatalogueError(self.file, where, problem, lines.get(field, begins))

    def text(
        self,
        name: str,
        default: str | None = None,
        most: int = 0,
        *,
        as_it_is: bool = False,
        check: Callable[[str], str] | None = None,
    ) -> str:
        """A text; spaces around it go unless `as_it_is`.

        check: a rule that answers a sentence for what may not be.
        """
        value = self.values.get(name, default)
        if not isinstance(value, str):
            put = "" if value is None else "; put numbers and yes or no in quotes"
            raise self.fail(name, f"write a text{put}")
        if default is None and not value.strip():
            raise self.fail(name, "write a text")
        value = value if as_it_is else value.strip()
        # The default needs no check: an empty path or name means there is none.
        checked = check(value) if check and value else ""
        if problem := checked or rules.text_problem(value, most or rules.VALUE_MAX):
            raise self.fail(name, _clause(problem))
        return value

    def line(self, name: str, default: str | None = None, most: int = 0) -> str:
        """A text of one line."""
        value = self.text(name, default, most)
        if any(letter < " " or letter in "\x7f\x85\u2028\u2029" for letter in value):
            raise self.fail(name, "write it on one line")
        return value

    def whole(self, name: str, default: int | None, low: int, high: int) -> int:
        value = self.values.get(name, default)
        if type(value) is not int or not low <= value <= high:
            raise self.fail(name, f"write a whole number from {low} to {high}")
        return value

    def number(self, name: str, low: float, high: float) -> float:
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fail(name, "write a number")
        if not low <= value <= high:
            raise self.fail(name, f"write a number from {low} to {high}")
        return float(value)

    def flag(self, name: str) -> bool:
        value = self.values.get(name, False)
        if not isinstance(value, bool):
            raise self.fail(name, "write true or false")
        return value

    def words(self, name: str) -> tuple[str, ...]:
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.fail(name, "write a list of texts; put numbers in quotes")
        self._check_length(name, value)
        for word in value:
            if problem := rules.text_problem(word, rules.VALUE_MAX):
                raise self.fail(name, _clause(problem))
        return tuple(value)

    def parts(self, name: str) -> list[Fields]:
        """The mappings of a list, each with its own name for messages."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            raise self.fail(name, "write a list of mappings")
        self._check_length(name, value)
        return [self._below(f"{name}, entry {n}", v) for n, v in enumerate(value, 1)]

    def part(self, name: str) -> Fields | None:
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.fail(name, "write a mapping")
        return self._below(name, value)

    def only(self, known: frozenset[str]) -> None:
        for name in self.values:
            if name not in known:
                raise self.fail(str(name), "there is no such field")

    def _below(self, name: str, values: Mapping[str, Any]) -> Fields:
        path = f"{self.path}, {name}" if self.path else name
        return Fields(self.file, values, path)

    def _check_length(self, name: str, value: list[Any]) -> None:
        if len(value) > ENTRIES_MAX:
            raise self.fail(name, f"keep it to {ENTRIES_MAX}; this is {len(value)}")


def _clause(sentence: str) -> str:
    """A rule's sentence as it follows a colon."""
    text = sentence.removesuffix(".")
    return f"{text[:1].lower()}{text[1:]}"
