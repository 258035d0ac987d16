"""The numbered containers of an endpoint: what each changed, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from endpoints.diffs import Deployed, between, summary
from endpoints.models import Revision
from replicas.page.facts import Rollout
from replicas.page.tiers import tier_words
from replicas.page.words import Part, Sentence, say, since

State = Literal["in_use", "rolling_out", "failed", "earlier"]


@dataclass(frozen=True)
class RevisionLine:
    """One row. state: a word for machines, `word` for people. what: what it changed, in
    a line. do: "roll_back", "try_again" or "".
    """

    number: int
    who: str
    age: Part
    state: State
    word: str
    what: str
    tone: str = ""
    why: str = ""
    do: str = ""
    in_use: bool = False


@dataclass(frozen=True)
class Standing:
    """Where the endpoint is: the number wanted, the one that serves, and a rollout."""

    wanted: int
    serving: int
    rollout: Rollout | None = None


def deployed(revision: Revision) -> Deployed:
    return Deployed(revision.container, tier_words(revision.tier))


def lines(
    shown: Sequence[Revision],
    before: Revision | None,
    stands: Standing,
    now: datetime,
) -> list[RevisionLine]:
    """shown: newest first. before: the one that came before the last of them."""
    olders = [*shown[1:], before]
    return [
        _line(revision, older, stands, now)
        for revision, older in zip(shown, olders, strict=True)
    ]


def _line(
    revision: Revision, older: Revision | None, stands: Standing, now: datetime
) -> RevisionLine:
    state, word = _state(revision, stands)
    if older is None:
        what = revision.container.image
    else:
        what = summary(between(deployed(older), deployed(revision)))
    wanted = revision.number == stands.wanted
    again = "try_again" if revision.failed_at else ""
    return RevisionLine(
        number=revision.number,
        who=revision.actor,
        age=since(revision.created_at, now),
        state=state,
        word=word,
        what=what,
        tone="fail" if state == "failed" else "",
        why=revision.why if revision.failed_at else "",
        do=again if wanted else "roll_back",
        in_use=revision.number == stands.serving,
    )


def _state(revision: Revision, stands: Standing) -> tuple[State, str]:
    serves = revision.number == stands.serving
    way = stands.rollout
    if serves and way and not way.stopped:
        return "rolling_out", f"Rolling out, {way.done} of {way.total} replicas"
    if serves:
        return "in_use", "In use"
    if revision.failed_at:
        return "failed", "Did not become ready"
    return "earlier", "Earlier"


def in_use(wanted: Revision, rollout: Rollout | None, now: datetime) -> Sentence:
    """ "Revision 4, by grace, 5 min ago", for the configuration."""
    if rollout and rollout.stopped:
        failed = f"Revision {wanted.number} did not become ready"
        return say(f"{failed}; {rollout.serving} serves. Below is {wanted.number}")
    who = f", by {wanted.actor}" if wanted.actor else ""
    moving = ", rolling out" if rollout else ""
    age = since(wanted.created_at, now)
    return say(f"Revision {wanted.number}{moving}{who}, ", age)


def chosen(
    numbers: Iterable[int], asked_old: str, asked_new: str, default: int
) -> tuple[int, int] | None:
    """The two revisions to compare: those asked for, else `default` and the one before
    it; None when there is only one."""
    there = sorted(numbers)
    new = _known(asked_new, there) or default
    earlier = [number for number in there if number < new]
    old = _known(asked_old, there) or (earlier[-1] if earlier else None)
    return (old, new) if old is not None else None


def _known(text: str, there: Sequence[int]) -> int | None:
    return next((number for number in there if str(number) == text), None)
