"""One YAML mapping, read field by field; a mistake names its file and field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class CatalogueError(Exception):
    """A catalogue file that cannot be used: "ocr.yaml, port: …"."""

    def __init__(self, file: str, field: str, problem: str) -> None:
        super().__init__(
            f"{file}, {field}: {problem}" if field else f"{file}: {problem}"
        )


@dataclass(frozen=True)
class Fields:
    """A file's mapping, read one field at a time; each reader names its field."""

    file: str
    values: Mapping[str, Any]

    def fail(self, field: str, problem: str) -> CatalogueError:
        return CatalogueError(self.file, field, problem)

    def text(self, name: str, default: str | None = None, most: int = 0) -> str:
        value = self.values.get(name, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise self.fail(name, "write a text")
        if most and len(value) > most:
            raise self.fail(name, f"keep it to {most} characters; this is {len(value)}")
        return value.strip()

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
        return tuple(value)

    def parts(self, name: str) -> list[Fields]:
        """The mappings of a list, each with its own name for messages."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            raise self.fail(name, "write a list of mappings")
        return [Fields(f"{self.file}, {name} {n}", v) for n, v in enumerate(value, 1)]

    def part(self, name: str) -> Fields | None:
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.fail(name, "write a mapping")
        return Fields(f"{self.file}, {name}", value)

    def only(self, known: frozenset[str]) -> None:
        for name in self.values:
            if name not in known:
                raise self.fail(str(name), "there is no such field")
