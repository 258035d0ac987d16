"""The dockerd that we started: started again when it dies, as the services are."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence

from launcher import processes
from launcher.config import Config
from launcher.engine import NAME, Answer, dockerd_command, ping
from launcher.errors import last_lines
from launcher.logs import log_of

# The n-th restart in a row waits this long; a minute of life ends the row.
BACK_OFF = (1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_SECONDS = 60.0

Say = Callable[[str], None]


class OwnEngine:
    """Watched through its pid: the first one is not a child of the supervisor.

    Does nothing where the engine is somebody else's. command: how to start it; what
    `make up` uses when none is given.
    """

    def __init__(
        self, config: Config, say: Say, command: Sequence[str] | None = None
    ) -> None:
        self._config = config
        self._say = say
        self._command = command
        self._handle: int | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._began = time.monotonic()
        self._deaths = 0
        self._again: float | None = None
        self._adopt()

    def handles(self) -> list[int]:
        """What becomes readable when it ends."""
        return [] if self._handle is None else [self._handle]

    def tend(self, now: float) -> float | None:
        """Start it when that is due; seconds until it is, None when nothing is."""
        if self._handle is not None and self._ended():
            self._mourn(now)
        if self._again is None:
            return None
        if self._again <= now:
            self._again = None
            self._start()
        return max(0.0, self._again - now) if self._again is not None else None

    # --- inside ---------------------------------------------------------------

    def _adopt(self) -> bool:
        """Watch the one that is written down, if it runs."""
        found = processes.running(self._config.pids, NAME)
        if found is None:
            return False
        try:
            self._handle = os.pidfd_open(found.pid)
        except ProcessLookupError:
            return False
        self._began = time.monotonic()
        return True

    def _ended(self) -> bool:
        if self._child is not None:
            self._child.poll()
        return processes.running(self._config.pids, NAME) is None

    def _mourn(self, now: float) -> None:
        self._forget()
        lived = now - self._began
        self._deaths = 1 if lived > STEADY_SECONDS else self._deaths + 1
        wait = BACK_OFF[min(self._deaths, len(BACK_OFF)) - 1]
        self._again = now + wait
        self._say(f"The Docker engine ended. Starting it again in {wait:.0f} s.")
        log = log_of(self._config, NAME)
        for line in last_lines(log, count=3):
            self._say(f"    {line}")
        self._say(f"    Log: {log}. Replicas go on meanwhile.")

    def _start(self) -> None:
        # Somebody else may have been quicker: a second make up, or a person.
        if self._adopt() or ping(self._config.docker_host, 2) is Answer.YES:
            return
        command = self._command or dockerd_command()
        if not command:
            self._say("There is no dockerd to start. See: make doctor")
            return
        log = log_of(self._config, NAME)
        with log.open("ab") as out:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
            )
        processes.record(self._config.pids, NAME, self._child.pid)
        self._adopt()
        self._say("The Docker engine is started again.")

    def _forget(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
        self._handle = None
        processes.forget(self._config.pids, NAME)
