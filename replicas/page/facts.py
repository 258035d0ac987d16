"""What is known when a page is drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from statistics import median

from endpoints.models import Endpoint, Event
from endpoints.steps import PROBES, Reason, Row
from replicas.models import Replica
from replicas.page.remedies import Case, label
from replicas.page.words import full_stop
from replicas.progress import Progress
from replicas.states import ReplicaState
from templates_app.models import Tier
from templates_app.spec import ContainerSpec

ON_THE_WAY = (
    ReplicaState.STARTING,
    ReplicaState.PULLING,
    ReplicaState.ASSIGNED,
    ReplicaState.WAITING,
)


@dataclass(frozen=True)
class Usual:
    """How long this took before, in seconds; None without history.

    answer: from the start of probing to the first answer. start: from the first event
    of a replica to running.
    """

    answer: float | None = None
    start: float | None = None


@dataclass(frozen=True)
class Seen:
    """One replica with its timeline, its GPU ("A10 24 GB") and its progress."""

    replica: Replica
    rows: tuple[Row, ...] = ()
    gpu: str = ""
    last_progress: Progress | None = None

    @property
    def name(self) -> str:
        return f"Replica {self.replica.number}"

    @property
    def state(self) -> ReplicaState:
        return ReplicaState(self.replica.state)

    @property
    def progress(self) -> Progress:
        """That of the state it is in; progress of an earlier state is past."""
        found = self.last_progress
        return found if found and found.get("state") == self.replica.state else {}

    @property
    def part(self) -> float | None:
        return self.progress.get("part")

    @cached_property
    def spec(self) -> ContainerSpec:
        """What it runs, which is not what is wanted while a change moves over."""
        return self.replica.container

    @property
    def why(self) -> str:
        """Why it failed or waits, as sentences; "" when nothing is known."""
        replica = self.replica
        code, text = replica.exit_code, full_stop(replica.trouble_text)
        if self.state is ReplicaState.FAILED and code:
            return f"The container exited with code {code}. {text}".rstrip()
        return text

    @property
    def trouble(self) -> str:
        """Its failure in two or three words; "" when it has no name."""
        return label(self.replica.trouble, self.replica.exit_code)

    @property
    def mishap(self) -> Row | None:
        """The newest row that says why it failed."""
        return next((row for row in reversed(self.rows) if "trouble" in row.data), None)

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines of its output, when it failed."""
        row = self.mishap
        return tuple(row.data.get("tail", ())) if row else ()

    def case(self, larger: Tier | None = None) -> Case:
        """What `remedies` needs to know. Ports: seen now, or when it failed."""
        row = self.mishap
        known = row.data.get("ports", ()) if row else ()
        return Case(
            trouble=self.replica.trouble,
            code=self.replica.exit_code,
            ports=tuple(self.progress.get("ports", known)),
            larger=larger,
        )

    @property
    def current(self) -> Row | None:
        """The row that is going on."""
        return next((row for row in reversed(self.rows) if row.open), None)


@dataclass(frozen=True)
class Rollout:
    """A revision on its way, or one that was given up.

    number, pk: of the revision that is wanted. done, total: replicas that run it and
    are ready, of those wanted. stopped: it could not become ready, for the reason
    `why`, and revision `serving` serves instead. failed: who tried it last.
    """

    number: int
    pk: int = 0
    done: int = 0
    total: int = 0
    stopped: bool = False
    why: str = ""
    serving: int = 0
    failed: Seen | None = None

    def tried_by(self, seen: Seen) -> bool:
        return seen.replica.revision_id == self.pk


@dataclass(frozen=True)
class Facts:
    """An endpoint, its living replicas in order of number, and the time.

    larger: the next tier with more memory, looked up when a replica had too little.
    """

    endpoint: Endpoint
    now: datetime
    replicas: tuple[Seen, ...] = ()
    usual: Usual = field(default_factory=Usual)
    rollout: Rollout | None = None
    larger: Tier | None = None

    @cached_property
    def _by_state(self) -> dict[str, list[Seen]]:
        found: dict[str, list[Seen]] = {}
        for seen in self.replicas:
            found.setdefault(seen.replica.state, []).append(seen)
        return found

    def of(self, state: ReplicaState) -> list[Seen]:
        """Those in this state, in order of number."""
        return self._by_state.get(state, [])


_ANSWERS = {Reason.PORT_ANSWERED, Reason.HEALTH_PASSED}
_FIRST = {Reason.WAITING, Reason.ASSIGNED}
HISTORY_REASONS = (*PROBES, *_ANSWERS, *_FIRST, Reason.RUNNING)


def usual_times(events: Iterable[Event]) -> Usual:
    """The median of earlier starts. `events` of HISTORY_REASONS, oldest first."""
    began: dict[tuple[int | None, int], datetime] = {}
    probed: dict[tuple[int | None, int], datetime] = {}
    answers: list[float] = []
    starts: list[float] = []
    for event in events:
        key = (event.replica_id, event.attempt)
        if event.reason in _FIRST:
            began.setdefault(key, event.at)
        elif event.reason in PROBES:
            probed[key] = event.at
        elif event.reason in _ANSWERS and key in probed:
            answers.append((event.at - probed.pop(key)).total_seconds())
        elif event.reason == Reason.RUNNING and key in began:
            starts.append((event.at - began.pop(key)).total_seconds())
    return Usual(
        answer=median(answers) if answers else None,
        start=median(starts) if starts else None,
    )


def rounded(seconds: float) -> int:
    """To 5 seconds, at least 5: an estimate should not look exact."""
    return max(5, round(seconds / 5) * 5)
