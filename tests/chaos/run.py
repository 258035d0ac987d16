"""Carries a plan out on a stage, and looks at it all the time."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict

import requests
from docker.errors import DockerException

from tests.chaos.checks.agreement import Agreement
from tests.chaos.checks.answers import Answers, asker
from tests.chaos.checks.containers import Containers
from tests.chaos.checks.deadlines import Deadlines
from tests.chaos.checks.gpus import Gpus
from tests.chaos.checks.loglines import LogLines
from tests.chaos.checks.ready import Ready, readiness
from tests.chaos.checks.routes import Routes
from tests.chaos.checks.running import Running
from tests.chaos.checks.strangers import Strangers
from tests.chaos.checks.timelines import Timelines
from tests.chaos.checks.wishes import Wishes
from tests.chaos.faults.missed import Missed
from tests.chaos.faults.table import STRIKES
from tests.chaos.people import GaveUp, People
from tests.chaos.report import Report, Violation
from tests.rows import CannotRead

# Seconds from a round's last step until all has to agree.
PATIENCE = 30.0
# Between two looks: while things move, and while it is waited for agreement.
_LOOK, _SETTLE = 0.2, 0.25


class Run:
    """folder: where evidence is written. say: called with each line as it goes.

    patience: seconds to agree in. go_on: play to the end whatever is wrong.
    """

    patience = PATIENCE
    go_on = False

    def __init__(self, stage, seed, folder, *, say=print):
        self.stage, self.folder, self.say = stage, folder, say
        self.report = Report(seed)
        self._people = People(stage)
        self._wishes = Wishes()
        # What a look alone can tell; a fault is mended once they pass.
        self._mending = [
            Agreement(),
            Containers(),
            Gpus(),
            Routes(),
            Running(stage.console.config),
            Ready(readiness(stage.console)),
        ]
        self._checks = [
            self._wishes,
            *self._mending,
            Deadlines(),
            Timelines(),
            Strangers(stage.standing),
            Answers(asker(stage.console)),
            LogLines(self._people.lines),
        ]
        self._guard = threading.Lock()
        self._round, self._told = None, set()
        # Faults that are over and not mended: (kind, when they ended).
        self._over: list[tuple[str, float]] = []

    def play(self, rounds, until):
        """Rounds until that time (monotonic) or until something is wrong; then
        everything is deleted. The report."""
        begun = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            watching = pool.submit(self._watch)
            try:
                for one in rounds:
                    self._play(one)
                    if time.monotonic() > until or self._failed():
                        break
                if not self._failed():
                    self._leave()
            finally:
                self.stage.over.set()
                watching.result()
        self.report.answers = self._people.answers
        self.report.served = self._people.served
        self.report.seconds = time.monotonic() - begun
        return self.report

    def _failed(self):
        return bool(self.report.violations) and not self.go_on

    # --- one round --------------------------------------------------------------------

    def _play(self, one):
        self._round = one
        self.report.rounds += 1
        self.say(str(one))
        with ThreadPoolExecutor(len(one.steps) or 1) as pool:
            begun = time.monotonic()
            list(pool.map(lambda step: self._step(step, begun), one.steps))
        self._wishes.expected = one.wishes
        took = self._settle()
        if took is not None:
            self.report.calm.append(took)
            self.say(f"  agrees after {took:.1f} s")

    def _step(self, step, begun):
        self.stage.wait(max(0.0, begun + step.at - time.monotonic()))
        if step.fault:
            self._strike(step)
            return
        self._count(self.report.acts, step.kind)
        try:
            self._people.do(step.kind, step.args)
        except GaveUp as error:
            self._violated("people get an answer", [str(error)], str(step))

    def _strike(self, step):
        try:
            STRIKES[step.kind](self.stage, **step.args)
        except Missed as why:
            self._count(self.report.missed, step.kind)
            self.say(f"  {step.kind} missed: {why}")
            return
        self._count(self.report.struck, step.kind)
        if "call" in step.args:
            self._count(self.report.calls, step.args["call"])
        with self._guard:
            self._over.append((step.kind, time.monotonic()))

    def _settle(self):
        """Seconds until all agreed; None when it did not within the patience."""
        begun = time.monotonic()
        while True:
            wrong, world = self._wrong()
            took = time.monotonic() - begun
            if not wrong:
                self._note_mended(world, begun + took)
                self.report.waiting += sum(r.state == "failed" for r in world.alive)
                return took
            if took > self.patience:
                for name, what in wrong.items():
                    self._violated(name, what, "agreement", world)
                return None
            self.stage.wait(_SETTLE)

    def _wrong(self):
        try:
            world = self.stage.looker_of_rounds.look()
            found = {check.name: check.settled(world) for check in self._checks}
        except (*CannotRead, DockerException, requests.RequestException) as error:
            return {"everything can be looked at": [repr(error)]}, None
        return {name: what for name, what in found.items() if what}, world

    def _leave(self):
        """Everybody deletes what is theirs: nothing is left then."""
        for name in sorted(self._wishes.expected):
            self._people.do("delete", {"name": name})
        self._wishes.expected = {}
        self._settle()

    # --- all the time -----------------------------------------------------------------

    def _watch(self):
        while not self.stage.over.wait(_LOOK):
            # Its disk may be full, its engine away: the next look is soon.
            with suppress(*CannotRead, DockerException, requests.RequestException):
                began = time.monotonic()
                world = self.stage.looker.look()
                self.report.looks += 1
                for check in self._checks:
                    if what := check.always(world):
                        self._violated(check.name, what, "while it went on", world)
                self._note_mended(world, began)

    def _note_mended(self, world, began):
        """Faults that were over before this look, which finds nothing wrong."""
        with self._guard:
            done = [one for one in self._over if one[1] < began]
        if not done or any(check.settled(world) for check in self._mending):
            return
        with self._guard:
            self._over = [one for one in self._over if one not in done]
            for kind, ended in done:
                self.report.mends.setdefault(kind, []).append(began - ended)

    def _violated(self, check, what, step, world=None):
        with self._guard:
            fresh = [one for one in what if one not in self._told]
            if not fresh:
                return
            self._told.update(fresh)
            number = len(self.report.violations) + 1
            evidence = self._evidence(number, check, fresh, world)
            self.report.violations.append(
                Violation(self._round.number, step, check, fresh, evidence)
            )
        self.say(f"  VIOLATED {check}: {'; '.join(fresh)}")

    def _evidence(self, number, check, what, world):
        """Rows, containers, routes and last log lines of this moment, in a file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"violation-{number}.txt"
        seen = asdict(world) if world else {}
        path.write_text(
            f"seed {self.report.seed}\n{self._round}\n\n{check}\n"
            + "\n".join(what)
            + f"\n\n{json.dumps(seen, indent=1, default=sorted)}\n\n"
            + self.stage.logs()
        )
        return str(path)

    def _count(self, where, what):
        with self._guard:
            where[what] += 1
