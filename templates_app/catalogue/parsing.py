"""YAML as templates are written in: text, whole numbers, true and false, lists, fields.

Files come from people who were sent them by others, so nothing is followed that could
grow or build anything: no tags, no anchors or aliases, no merging, no deep nesting.
What is read remembers its lines, for messages.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from templates_app.catalogue.fields import CatalogueError

# Characters; the largest of the catalogue has about 1,500.
TEXT_MAX = 64_000
DEPTH_MAX = 12


class Marked(dict[str, Any]):
    """A mapping that knows the line it begins on, and those of its fields."""

    line: int
    lines: dict[str, int]


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, refusing all that a template has no use for."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            raise _refusal(event, "write it out; names such as &a and *a are not read")
        if event.tag:
            raise _refusal(event, "leave out tags, the words that begin with “!”")
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise _refusal(event, "this is nested too deeply")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def integer(self, node: yaml.ScalarNode) -> int:
        return int(str(self.construct_scalar(node)))

    def mapping(self, node: yaml.MappingNode) -> Marked:
        found = Marked()
        found.line, found.lines = node.start_mark.line + 1, {}
        for key, value in node.value:
            name = self.construct_object(key, deep=True)
            if not isinstance(name, str):
                raise _refusal(key, "write the field's name as text")
            if name in found:
                raise _refusal(key, f"“{name[:40]}” is there twice")
            found.lines[name] = key.start_mark.line + 1
            found[name] = self.construct_object(value, deep=True)
        return found


# What a word without quotes can be beside text. Everything a YAML writer puts quotes
# around to keep it text stays text here.
_WORDS = {
    "bool": (r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE", "yYnNtTfF"),
    "null": (r"~|null|Null|NULL|", "~nN\0"),
    "int": (r"[-+]?[0-9]{1,18}", "-+0123456789"),
    "float": (r"[-+]?[0-9]{1,18}\.[0-9]{0,18}", "-+0123456789"),
}
_Loader.yaml_implicit_resolvers = {}
for _kind, (_pattern, _first) in _WORDS.items():
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}",
        re.compile(rf"(?:{_pattern})\Z"),
        [letter if letter != "\0" else "" for letter in _first],
    )
_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.integer)


def _refusal(found: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=found.start_mark)


def parse(text: str, file: str = "") -> Any:
    """What the text says, mappings as Marked. Raises CatalogueError."""
    if len(text) > TEXT_MAX:
        problem = f"keep it to {TEXT_MAX:,} characters; this is {len(text):,}"
        raise CatalogueError(file, "", problem)
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = "there is a character here that is not text"
        raise CatalogueError(file, "", problem, line) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        problem = error.problem or "this is not YAML"
        raise CatalogueError(file, "", problem, line) from None
    except (yaml.YAMLError, ValueError, OverflowError):
        # Escapes and directives with numbers that no character or version has.
        raise CatalogueError(file, "", "this is not YAML") from None
