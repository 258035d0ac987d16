"""The environment: rows of variables, and secrets chosen from the account.

A row posts env-N-name, env-N-value and, when its lock is on, env-N-secret. A secret
that was typed before is never written into the page again; the row keeps it sealed in
env-N-kept, which only this installation can open. Chosen secrets post their keys as
`secrets`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.http import QueryDict

from endpoints import rules
from endpoints.sealing import SealBroken, seal, unseal
from templates_app.spec import EnvVar

ROWS_MAX = 200
# Empty rows for people who cannot add one by script.
SPARE_ROWS = 2
_KEY = re.compile(r"env-(\d{1,4})-name\Z")


@dataclass(frozen=True)
class EnvRow:
    """One row. `kept` is a secret's sealed value; `problem` a sentence, or "".

    needed: the template has no value of its own for it; `note` says what it is for.
    """

    number: int
    name: str = ""
    value: str = ""
    secret: bool = False
    kept: str = ""
    problem: str = ""
    spare: bool = False
    needed: bool = False
    note: str = ""

    @property
    def blank(self) -> bool:
        return not (self.name or self.value or self.kept)

    @property
    def given(self) -> bool:
        return bool(self.value or self.kept)

    @property
    def unset(self) -> bool:
        """Offered by name, and left empty."""
        return (self.secret or self.needed) and not self.given

    @property
    def lines(self) -> bool:
        """The value has more than one line, which a plain field would lose."""
        return "\n" in self.value


@dataclass(frozen=True)
class Chosen:
    """A secret of the account: taken or not, and whether the account has it."""

    key: str
    taken: bool
    there: bool = True


def rows_of(variables: Iterable[EnvVar]) -> list[EnvRow]:
    """Rows that show these variables; a secret's value stays sealed."""
    return [_row(n, v) for n, v in enumerate(variables)]


def _row(number: int, variable: EnvVar) -> EnvRow:
    row = EnvRow(number, variable.name, needed=variable.needed, note=variable.note)
    if variable.secret:
        return replace(row, secret=True, kept=variable.value)
    return replace(row, value=variable.value)


def with_spares(rows: list[EnvRow]) -> list[EnvRow]:
    first = _next(rows)
    spares = [EnvRow(first + n, spare=True) for n in range(SPARE_ROWS)]
    return [*rows, *spares]


def _next(rows: Sequence[EnvRow]) -> int:
    return max((row.number for row in rows), default=-1) + 1


def read_rows(
    data: Mapping[str, str],
    needs: Mapping[str, EnvVar],
    chosen: Collection[str] = (),
) -> list[EnvRow]:
    """The rows that were posted and are not blank, checked, in the page's order.

    needs: variables that must have a value, by name; their rows are there even when
    they were not posted. chosen: keys of secrets that give a value, too.
    """
    numbers = sorted(int(m[1]) for key in data if (m := _KEY.match(key)))
    rows = [_posted(data, number, needs) for number in numbers[:ROWS_MAX]]
    rows = [row for row in rows if not row.blank]
    there = {row.name for row in rows}.union(chosen)
    for need in needs.values():
        if need.name not in there:
            rows.append(replace(_row(_next(rows), need), value="", kept=""))
    seen: set[str] = set()
    checked = []
    for row in rows:
        checked.append(replace(row, problem=_problem(row, seen, chosen)))
        seen.add(row.name)
    return checked


def put_rows(data: QueryDict, rows: Iterable[EnvRow]) -> None:
    """Replace the posted rows by these."""
    for key in [key for key in data if key.startswith("env-")]:
        del data[key]
    for row in rows:
        data[f"env-{row.number}-name"] = row.name
        data[f"env-{row.number}-value"] = row.value
        data[f"env-{row.number}-kept"] = row.kept
        if row.secret:
            data[f"env-{row.number}-secret"] = "on"


def _posted(
    data: Mapping[str, str], number: int, needs: Mapping[str, EnvVar]
) -> EnvRow:
    name = data.get(f"env-{number}-name", "").strip()
    need = needs.get(name)
    return EnvRow(
        number,
        name,
        data.get(f"env-{number}-value", "").replace("\r\n", "\n"),
        f"env-{number}-secret" in data,
        data.get(f"env-{number}-kept", ""),
        needed=need is not None,
        note=need.note if need else "",
    )


def _problem(row: EnvRow, seen: set[str], chosen: Collection[str]) -> str:
    if not row.name:
        return "Give this variable a name, or remove it."
    if problem := rules.env_problem(row.name):
        return problem
    if row.name in seen:
        return f'"{row.name}" is there twice. Keep one.'
    if row.name in chosen:
        if row.unset:
            return ""
        return f"{row.name} is chosen from Secrets as well. Keep one of the two."
    if row.needed and not row.given:
        return f"Fill in {row.name}. This template needs it."
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
    return tuple(_variable(row) for row in rows if not row.unset)


def _variable(row: EnvRow) -> EnvVar:
    value = row.value
    if row.secret:
        value = seal(row.value) if row.value else row.kept
    return EnvVar(row.name, value, row.secret, row.needed, row.note)


def choices_of(there: Iterable[str], taken: Collection[str]) -> list[Chosen]:
    """The account's secrets, and those that are taken but gone."""
    keys = list(there)
    gone = [Chosen(key, taken=True, there=False) for key in taken if key not in keys]
    return [*(Chosen(key, key in taken) for key in keys), *gone]


def choices_problem(choices: Iterable[Chosen]) -> str:
    gone = [choice.key for choice in choices if choice.taken and not choice.there]
    if not gone:
        return ""
    return (
        f"There is no secret {gone[0]} on this account. "
        "Add it on the Secrets page, or take it off here."
    )
