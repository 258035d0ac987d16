"""What should go wrong at the engine, and when: told in a folder, from any process.

A test writes faults; the engine of `faulty.py` asks at every call whether one strikes.
Who asks may be killed and start again, so nothing is kept in memory alone:

    plan.json      the faults, written by the test, each time as a whole
    counts.json    how often each was met and has struck, written by who asks
    struck.jsonl   a line for each strike
    lock           held while one of them is read and written

    faults = Faults(folder)
    faults.set(Fault("create"))                            # the next one fails
    faults.set(Fault("create", nth=3, error="DiskFull"))   # the third from now
    faults.set(Fault("*", times=None, chance=0.1, seed=7))  # one in ten, for ever
    faults.set(Fault("start", does="hang", about="whisper"))
    faults.clear()                                         # what hangs goes on
    faults.struck()                                        # what happened
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from replicas.engine import base, errors

Does = Literal["fail", "hang", "lose"]
# Ways a call can go wrong, for tests that try them all.
WAYS: tuple[Does, ...] = ("fail", "hang", "lose")


@dataclass(frozen=True)
class Fault:
    """What strikes which call.

    call: a method's name in the protocols, or a pattern ("*", "volume_*").
    does: "fail" raises the error and does nothing; "hang" waits until the fault is
      taken away, then goes on, or raises after `seconds`; "lose" does what was asked
      for, then raises, as when the engine dies before it answers.
    error: class of the EngineError that is raised, EngineSlow after a hang and
      EngineUnreachable else; text: its sentence.
    about: strikes only calls whose arguments have this text in them, such as an
      endpoint's name; containers that were seen count by their name, too.
    nth: the first call that can be struck, 1 for the next. times: how many are struck,
      None for all. chance: of each, 0 to 1, drawn by `seed` and the call's number.
    after: pieces that a stream gives before it is struck.
    """

    call: str
    does: Does = "fail"
    error: str = ""
    text: str = ""
    about: str = ""
    nth: int = 1
    times: int | None = 1
    chance: float = 1.0
    seed: int = 0
    seconds: float = 60.0
    after: int = 0
    id: str = field(default_factory=lambda: secrets.token_hex(6))

    def __post_init__(self) -> None:
        if self.does not in WAYS:
            raise ValueError(f"A fault does one of {', '.join(WAYS)}: {self.does}?")
        if self.error and self.error not in error_classes():
            raise ValueError(f"There is no engine error named {self.error}.")

    def exception(self) -> base.EngineError:
        if not self.error and not self.text:
            hung = self.does == "hang"
            return errors.slow(self.seconds) if hung else errors.unreachable()
        kind = error_classes()[self.error or "EngineUnreachable"]
        return kind(self.text or f"The engine said {self.error}, as a test wants it.")

    def strikes(self, seen: int, struck: int) -> bool:
        """Whether the call that is number `seen`, from 1, goes wrong."""
        if seen < self.nth or (self.times is not None and struck >= self.times):
            return False
        drawn = random.Random(f"{self.seed}/{self.call}/{seen}").random()  # noqa: S311
        return drawn < self.chance


@dataclass(frozen=True)
class Strike:
    """One call that went wrong; `at` in seconds since the epoch."""

    id: str
    call: str
    does: Does
    at: float
    pid: int


def error_classes() -> dict[str, type[base.EngineError]]:
    """Every error an engine may raise, by the name of its class."""
    found: dict[str, type[base.EngineError]] = {}
    left: list[type[base.EngineError]] = [base.EngineError]
    while left:
        kind = left.pop()
        found[kind.__name__] = kind
        left.extend(kind.__subclasses__())
    return found


class Faults:
    """The folder, for those who write faults and for those they strike."""

    def __init__(self, home: str | Path) -> None:
        self.home = Path(home)
        self._plan = self.home / "plan.json"
        self._read: tuple[tuple[int, ...], list[Fault]] = ((), [])

    # --- Who writes them -----------------------------------------------------
    def set(self, *faults: Fault) -> None:
        """These from now on, and no others. What hangs by another goes on."""
        with self._locked():
            _write(self._plan, [asdict(fault) for fault in faults])

    def add(self, fault: Fault) -> None:
        with self._locked():
            kept = [asdict(one) for one in self.planned()]
            _write(self._plan, [*kept, asdict(fault)])

    def clear(self, *ids: str) -> None:
        """Take these away, or all."""
        with self._locked():
            kept = [asdict(f) for f in self.planned() if ids and f.id not in ids]
            _write(self._plan, kept)

    def struck(self) -> list[Strike]:
        """All strikes so far, oldest first."""
        try:
            lines = (self.home / "struck.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [Strike(**json.loads(line)) for line in lines]

    # --- Whom they strike ----------------------------------------------------
    def planned(self) -> list[Fault]:
        """The faults as they are now; cheap to ask."""
        mark = self.mark()
        if not mark:
            return []
        if mark != self._read[0]:
            rows = json.loads(self._plan.read_text())
            self._read = (mark, [Fault(**row) for row in rows])
        return self._read[1]

    def mark(self) -> tuple[int, ...]:
        """Another one after each change of the plan; () while there is none."""
        try:
            seen = self._plan.stat()
        except FileNotFoundError:
            return ()
        return (seen.st_mtime_ns, seen.st_ino, seen.st_size)

    def take(self, call: str, about: str) -> Fault | None:
        """The fault that strikes this call, written down as a strike."""
        met = [f for f in self.planned() if _concerns(f, call, about)]
        if not met:
            return None
        with self._locked():
            counts = _counts(self.home / "counts.json")
            hit = None
            for fault in met:
                seen, struck = counts.get(fault.id, (0, 0))
                if hit is None and fault.strikes(seen + 1, struck):
                    hit, struck = fault, struck + 1
                counts[fault.id] = (seen + 1, struck)
            _write(self.home / "counts.json", counts)
            if hit is not None:
                strike = Strike(hit.id, call, hit.does, time.time(), os.getpid())
                with (self.home / "struck.jsonl").open("a") as out:
                    out.write(f"{json.dumps(asdict(strike))}\n")
            return hit

    def holds(self, fault: Fault) -> bool:
        """Whether what hangs by this fault goes on hanging."""
        return any(one.id == fault.id for one in self.planned())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield


def _concerns(fault: Fault, call: str, about: str) -> bool:
    return fnmatchcase(call, fault.call) and fault.about in about


def _counts(path: Path) -> dict[str, tuple[int, int]]:
    try:
        return {k: (v[0], v[1]) for k, v in json.loads(path.read_text()).items()}
    except FileNotFoundError:
        return {}


def _write(path: Path, content: object) -> None:
    """As a whole or not at all: its writer may be killed, too."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content))
    fresh.replace(path)
