"""What is said where a log, or its beginning, is not kept any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from django.conf import settings

from replicas.logs import files
from replicas.logs.records import Attempt
from replicas.logs.state import State, StateFile
from replicas.models import Replica

# Of logs that were removed, the newest are named one by one.
_NAMED = 5


@dataclass(frozen=True)
class Absent:
    """attempt: whose lines are missing, None for several. text: a sentence."""

    attempt: Attempt | None
    text: str

    def to_page(self) -> dict[str, object]:
        if self.attempt is None:
            return {"text": self.text}
        one = self.attempt
        return {"k": one.key, "r": one.number, "a": one.attempt, "text": self.text}


def absences(endpoint_id: int, kept: Iterable[Attempt]) -> list[Absent]:
    """All that is to be said above an endpoint's log, oldest first.

    kept: its attempts that have a log, with their replica's number.
    """
    gone = removed(endpoint_id)
    found = [Absent(one, sentence(state)) for one, state in gone[-_NAMED:]]
    if (more := len(gone) - len(found)) > 0:
        logs = "log was" if more == 1 else "logs were"
        found.insert(0, Absent(None, f"{more:,} earlier {logs} removed."))
    return found + [
        Absent(one, cut_sentence(lines)) for one in kept if (lines := missing(one))
    ]


def removed(endpoint_id: int) -> list[tuple[Attempt, State]]:
    """Attempts whose log was removed, oldest first."""
    rows = Replica.objects.filter(endpoint_id=endpoint_id)
    numbers = dict(rows.values_list("pk", "number"))
    kept = set(files.attempts(endpoint_id))
    found = []
    for attempt in files.noted_of(endpoint_id):
        if attempt in kept:
            continue
        state = StateFile(attempt).read()
        if state.removed_at:
            number = numbers.get(attempt.replica_id, 0)
            found.append((replace(attempt, number=number), state))
    return found


def missing(attempt: Attempt) -> int:
    """Lines at its beginning that are not kept."""
    return max(0, files.first_number(attempt) - 1)


def sentence(state: State) -> str:
    days = settings.ALIGHT_LOG_DAYS
    day = datetime.fromtimestamp(state.removed_at / 1e9, UTC)
    limit = (
        f"logs are kept for {days} day{'' if days == 1 else 's'}"
        if state.removed_why == "age"
        else f"all logs together may take {settings.ALIGHT_LOG_TOTAL_MB:,} MB"
    )
    had = "1 line" if state.lines == 1 else f"{state.lines:,} lines"
    return (
        f"This attempt's log of {had} was removed on {day.day} {day:%B %Y}. The limit:"
        f" {limit}."
    )


def cut_sentence(lines: int) -> str:
    what = "The first line" if lines == 1 else f"The first {lines:,} lines"
    return (
        f"{what} of this attempt's log went. The limit: a log keeps its newest"
        f" {settings.ALIGHT_LOG_ATTEMPT_MB:,} MB."
    )
