"""The environment's rows: as many as the page has, numbered, each with its problem.

A row posts env-N-name, env-N-value and, when its lock is on, env-N-secret. A secret
that was typed before is never written into the page again; the row keeps it sealed in
env-N-kept, which only this installation can open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from endpoints import rules
from endpoints.sealing import SealBroken, seal, unseal
from templates_app.spec import EnvVar

ROWS_MAX = 200
# Empty rows for people who cannot add one by script.
SPARE_ROWS = 2
_KEY = re.compile(r"env-(\d{1,4})-name\Z")


@dataclass(frozen=True)
class EnvRow:
    """One row. `kept` is a secret's sealed value; `problem` a sentence, or ""."""

    number: int
    name: str = ""
    value: str = ""
    secret: bool = False
    kept: str = ""
    problem: str = ""
    spare: bool = False

    @property
    def blank(self) -> bool:
        return not (self.name or self.value or self.kept)

    @property
    def unused(self) -> bool:
        """A secret that was offered by name and left empty."""
        return self.secret and not (self.value or self.kept)


def rows_of(variables: Iterable[EnvVar]) -> list[EnvRow]:
    """Rows that show these variables; a secret's value stays sealed."""
    return [
        EnvRow(n, v.name, "", True, kept=v.value)
        if v.secret
        else EnvRow(n, v.name, v.value)
        for n, v in enumerate(variables)
    ]


def with_spares(rows: list[EnvRow]) -> list[EnvRow]:
    first = max((row.number for row in rows), default=-1) + 1
    spares = [EnvRow(first + n, spare=True) for n in range(SPARE_ROWS)]
    return [*rows, *spares]


def read_rows(data: Mapping[str, str]) -> list[EnvRow]:
    """The rows that were posted and are not blank, checked, in the page's order."""
    numbers = sorted(int(m[1]) for key in data if (m := _KEY.match(key)))
    rows = [
        EnvRow(
            number,
            data.get(f"env-{number}-name", "").strip(),
            data.get(f"env-{number}-value", ""),
            f"env-{number}-secret" in data,
            data.get(f"env-{number}-kept", ""),
        )
        for number in numbers[:ROWS_MAX]
    ]
    seen: set[str] = set()
    checked = []
    for row in rows:
        if row.blank:
            continue
        checked.append(replace(row, problem=_problem(row, seen)))
        seen.add(row.name)
    return checked


def _problem(row: EnvRow, seen: set[str]) -> str:
    if not row.name:
        return "Give this variable a name, or remove it."
    if problem := rules.env_problem(row.name):
        return problem
    if row.name in seen:
        return f'"{row.name}" is there twice. Keep one.'
    if row.kept and not row.value:
        try:
            unseal(row.kept)
        except SealBroken:
            return "Type this secret again."
    return rules.text_problem(row.value, rules.VALUE_MAX)


def sealed_rows(rows: list[EnvRow]) -> list[EnvRow]:
    """The same rows for showing again: typed secrets are sealed, not written out."""
    return [
        replace(row, value="", kept=seal(row.value))
        if row.secret and row.value
        else row
        for row in rows
    ]


def variables_of(rows: list[EnvRow]) -> tuple[EnvVar, ...]:
    """What the container gets; a secret that was left empty is not set."""
    return tuple(_variable(row) for row in rows if not row.unused)


def _variable(row: EnvRow) -> EnvVar:
    if not row.secret:
        return EnvVar(row.name, row.value)
    return EnvVar(row.name, seal(row.value) if row.value else row.kept, secret=True)
