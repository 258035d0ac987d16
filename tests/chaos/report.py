"""What a run came to, as JSON and as text."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from statistics import median


@dataclass
class Violation:
    """check: which promise. evidence: file in the report's folder."""

    round: int
    step: str
    check: str
    what: list[str]
    evidence: str = ""


@dataclass
class Report:
    """mends: by kind of fault, seconds from its end until wish and world agreed and all
    processes ran. calm: seconds from a round's last step until every check passed.
    missed: faults that met nothing. calls: to the engine that went
    wrong. waiting: replicas in their back-off when all agreed."""

    seed: int
    seconds: float = 0
    rounds: int = 0
    looks: int = 0
    struck: Counter = field(default_factory=Counter)
    missed: Counter = field(default_factory=Counter)
    calls: Counter = field(default_factory=Counter)
    acts: Counter = field(default_factory=Counter)
    answers: Counter = field(default_factory=Counter)
    served: Counter = field(default_factory=Counter)
    mends: dict[str, list[float]] = field(default_factory=dict)
    calm: list[float] = field(default_factory=list)
    waiting: int = 0
    violations: list[Violation] = field(default_factory=list)

    def json(self) -> str:
        told = [asdict(one) for one in self.violations]
        return json.dumps({**vars(self), "violations": told}, indent=1)

    def text(self) -> str:
        mends = [took for all_ in self.mends.values() for took in all_]
        struck, missed = sum(self.struck.values()), sum(self.missed.values())
        return "\n".join(
            [
                f"Seed {self.seed}: {self.rounds} rounds in {self.seconds:.0f} s,"
                f" {sum(self.acts.values())} acts, {struck} faults,"
                f" {self.looks} looks.",
                f"{'fault':34} {'struck':>6} {'missed':>6} {'median':>7} {'max':>7}",
                *(self._line(kind) for kind in sorted({*self.struck, *self.missed})),
                _row("all", struck, missed, mends),
                _row("rounds, from their last step", len(self.calm), 0, self.calm),
                f"Engine calls spoiled: {_counts(self.calls)}",
                f"Acts: {_counts(self.acts)}",
                f"API: {_counts(self.answers)}",
                f"URLs: {_counts(self.served)}",
                f"Replicas in their back-off when all agreed: {self.waiting}",
                *self._wrong(),
            ]
        )

    def _line(self, kind):
        missed = sum(n for why, n in self.missed.items() if why == kind)
        return _row(kind, self.struck[kind], missed, self.mends.get(kind, []))

    def _wrong(self):
        yield f"{len(self.violations)} violated invariants."
        for one in self.violations:
            yield f"  round {one.round}, {one.step}: {one.check}"
            yield from (f"    {what}" for what in one.what)
            if one.evidence:
                yield f"    see {one.evidence}"


def _row(kind, struck, missed, mends):
    middle, most = (median(mends), max(mends)) if mends else (0, 0)
    return f"{kind:34} {struck:6} {missed:6} {middle:6.1f}s {most:6.1f}s"


def _counts(counter):
    return ", ".join(f"{what} ×{n}" for what, n in sorted(counter.items())) or "none"
