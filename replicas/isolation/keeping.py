"""Whether the rules stand, and putting them up: before starts and now and then."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from replicas.engine import get_engine, names
from replicas.engine.base import EngineError
from replicas.isolation import fencing
from replicas.isolation.rules import Fence, target

log = logging.getLogger(__name__)

_INTERFACES = Path("/sys/class/net")
# Seconds for which rules that stood are taken to stand: asking here is cheap, a helper
# takes a second. And between tries where it cannot be done.
_HERE, _HELPER, _FAILED = 10.0, 600.0, 60.0
_OPEN = (
    "Replicas are not fenced in: they can reach this machine and its networks. "
    "docs/isolation.md says what is needed."
)


@dataclass(frozen=True)
class State:
    """fenced: the rules stand and hold. way: who keeps them up, "here", "helper", "off"
    or "" for nobody.

    text: a sentence for people. lasts: seconds for which this is taken to be so.
    """

    fenced: bool
    way: str
    text: str
    lasts: float

    @property
    def open(self) -> bool:
        """Whether somebody should do something about it."""
        return not self.fenced and self.way != "off"


OFF = State(
    fenced=False,
    way="off",
    text="Alight leaves the packet filter alone (ALIGHT_ISOLATION=0).",
    lasts=_HELPER,
)


class Keeper:
    """One for each process. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: State | None = None
        self._until = 0.0

    def before_start(self) -> None:
        """Return when the rules stand, or were tried: a container is about to run."""
        if not settings.ALIGHT_ISOLATION:
            return
        with self._lock:
            if time.monotonic() >= self._until:
                self._put_up()

    def sweep(self) -> float:
        """See to it if replicas may run; seconds until it is worth looking again."""
        if not settings.ALIGHT_ISOLATION:
            self._note(OFF)
            return _HELPER
        with self._lock:
            if not (_is_here(_bridge()) or self._some_run()):
                return _HERE
            return self._put_up().lasts

    def forget(self) -> None:
        """The engine was away: nothing that stood is known to stand."""
        self._until = 0.0

    def _put_up(self) -> State:
        state = try_ways(lambda place: f"by {fencing.put_up(place, wanted())}")
        self._until = time.monotonic() + state.lasts
        self._note(state)
        return state

    def _some_run(self) -> bool:
        mine = {names.INSTALLATION: settings.ALIGHT_INSTALLATION}
        return any(seen.running for seen in get_engine().observe(mine))

    def _note(self, state: State) -> None:
        if state == self._state:
            return
        self._state = state
        level = logging.INFO if state.fenced or state.way == "off" else logging.WARNING
        log.log(level, "%s", state.text)
        write(state)


def wanted() -> Fence:
    """What the settings ask for. The name servers are found out where rules go."""
    return Fence(
        bridge=_bridge(),
        internet=settings.ALIGHT_REPLICA_INTERNET,
        allow=tuple(target(text) for text in settings.ALIGHT_REPLICA_ALLOW),
        deny=tuple(settings.ALIGHT_REPLICA_DENY),
    )


def try_ways(act: Callable[[fencing.Place], str]) -> State:
    """Act here where the bridge is here and we may; else by a helper.

    A place that can do some of it is not left for another one.
    """
    here, helper = fencing.Here(), fencing.Helper(get_engine())
    tries: list[tuple[str, fencing.Place, float]] = [("helper", helper, _HELPER)]
    if _is_here(_bridge()):
        tries.insert(0, ("here", here, _HERE))
    whys = []
    for way, place, lasts in tries:
        try:
            said = act(place)
        except fencing.PartlyFenced as error:
            return State(fenced=False, way=way, text=str(error), lasts=_FAILED)
        except (fencing.NotFenced, EngineError) as error:
            whys.append(str(error))
            continue
        text = f"Replicas are fenced in, {said}{_through(way)}."
        return State(fenced=True, way=way, text=text, lasts=lasts)
    text = f"{_OPEN} {' '.join(dict.fromkeys(whys))}"
    return State(fenced=False, way="", text=text, lasts=_FAILED)


def take_down() -> None:
    """Remove the rules. Raises NotFenced or EngineError where that cannot be done."""
    bridge = _bridge()
    try:
        done = fencing.take_down(fencing.Here(), bridge)
    except fencing.NotFenced:
        done = False
    if not done and noted().way == "helper":
        fencing.take_down(fencing.Helper(get_engine()), bridge)
    state_file().unlink(missing_ok=True)


def state_file() -> Path:
    """What the worker last found, for `make status`; beside its socket."""
    return Path(settings.ALIGHT_WORKER_SOCKET).with_name("isolation.json")


def noted() -> State:
    """What `state_file` says; as if left alone where nothing was noted yet."""
    try:
        told = json.loads(state_file().read_text())
        return State(bool(told["fenced"]), str(told["way"]), str(told["text"]), 0)
    except (OSError, ValueError, KeyError, TypeError):
        return OFF


def write(state: State) -> None:
    file = state_file()
    fresh = file.with_suffix(".new")
    try:
        fresh.write_text(json.dumps(asdict(state) | {"at": timezone.now().isoformat()}))
        fresh.replace(file)
    except OSError as error:
        log.warning("%s could not be written: %s", file, error)


def _bridge() -> str:
    return names.bridge_name(settings.ALIGHT_INSTALLATION)


def _is_here(bridge: str) -> bool:
    return (_INTERFACES / bridge).exists()


def _through(way: str) -> str:
    return " through a helper container" if way == "helper" else ""


KEEPER = Keeper()
