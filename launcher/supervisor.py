"""Starts the services in order, restarts one that dies, stops them in reverse.

One supervisor per ALIGHT_HOME, held by a lock on RUN/supervisor.lock. It sleeps until
a child ends or a signal arrives, and looks once a minute at how long their logs are.
"""

import fcntl
import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from launcher import engine as docker
from launcher import logs, processes
from launcher.config import Config
from launcher.errors import LaunchError, last_lines
from launcher.own_engine import OwnEngine
from launcher.services import Service
from launcher.show import span

NAME = "supervisor"
# How long a service may take until it is ready the first time.
READY_SECONDS = 60.0
# The n-th restart in a row waits this long; Service.steady says what ends the row.
BACK_OFF = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
# Every open page is a descriptor of the web process; 1,024 is what one gets unasked.
DESCRIPTORS = 65_536

Say = Callable[[str], None]


@dataclass
class Child:
    """A service and the process that is it just now; None while it waits."""

    service: Service
    process: "subprocess.Popen[bytes] | None" = None
    began: float = 0.0
    deaths: int = 0
    # When to start it again (monotonic); None when it runs.
    again: float | None = None


class Supervisor:
    """Runs in one thread; `run` returns when it was told to stop."""

    def __init__(
        self,
        config: Config,
        services: list[Service],
        say: Say,
        engine: OwnEngine | None = None,
    ) -> None:
        self.config = config
        self.say = say
        self.engine = engine or OwnEngine(config, say)
        self.children = [Child(service) for service in services]
        self.stopping = False
        self.restarting = False
        self._logs_due = time.monotonic() + logs.LOOK_SECONDS
        self.wakeup, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    # --- the whole life ------------------------------------------------------

    def start(self) -> None:
        """Start all and return when all are ready. Raises LaunchError; nothing is
        left running then."""
        self._listen_to_signals()
        allow_descriptors()
        processes.record(self.config.pids, NAME, os.getpid())
        try:
            for child in self.children:
                if self.stopping:
                    return
                self.say(f"Starting {child.service.title}")
                self._spawn(child)
                if child.service.first:
                    self._wait_until_ready(child)
            for child in self.children:
                self._wait_until_ready(child)
        except BaseException:
            self.stop()
            raise

    def watch(self) -> None:
        """Restart what dies until a signal says to stop."""
        while not self.stopping:
            if self.restarting:
                self._restart()
            self._collect()
            now = time.monotonic()
            due = (self._start_due(now), self.engine.tend(now), self._tend_logs(now))
            waits = [wait for wait in due if wait is not None]
            handles = [self.wakeup, *self.engine.handles()]
            select.select(handles, [], [], min(waits, default=None))
            self._drain_wakeups()

    def stop(self) -> None:
        """Stop all, the last started first."""
        self.stopping = True
        for child in reversed(self.children):
            self._stop(child)
        processes.forget(self.config.pids, NAME)

    # --- one child -----------------------------------------------------------

    def _wait_until_ready(self, child: Child) -> None:
        service = child.service
        if service.ready is None:
            return
        deadline = time.monotonic() + READY_SECONDS
        while not service.ready():
            if self.stopping:
                return
            if child.process is None or child.process.poll() is not None:
                raise self._trouble(service, "ended at once")
            if time.monotonic() > deadline:
                raise self._trouble(service, f"was not ready in {READY_SECONDS:.0f} s")
            # Woken early when the child ends.
            select.select([self.wakeup], [], [], 0.05)
            self._drain_wakeups()

    def _spawn(self, child: Child) -> None:
        service, config = child.service, self.config
        log = logs.log_of(config, service.name)
        logs.put_aside(log)
        for path in service.leftovers:
            path.unlink(missing_ok=True)
        with log.open("ab") as out:
            commands = service.before_again if child.deaths > 1 else ()
            for command in commands + service.before:
                self._run_before(service, command, log)
            try:
                child.process = subprocess.Popen(
                    service.command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    cwd=config.root,
                    env=dict(config.env),
                    # Ctrl-C reaches the supervisor alone, which stops them in order.
                    start_new_session=True,
                )
            except OSError as error:
                raise LaunchError(
                    f"{service.title} cannot be started: {error}.",
                    "Run make up again: it installs what is missing.",
                ) from error
        child.began, child.again = time.monotonic(), None
        processes.record(config.pids, service.name, child.process.pid)

    def _restart(self) -> None:
        """Everything but what people's connections go through, from the code as it is
        now. What does not start is tried again, like one that ended."""
        self.restarting = False
        self.say("Starting anew, as asked.")
        others = [child for child in self.children if not child.service.stays]
        for child in reversed(others):
            self._stop(child)
        for child in others:
            child.deaths = 0
            try:
                for command in child.service.before_restart:
                    log = logs.log_of(self.config, child.service.name)
                    self._run_before(child.service, command, log)
                self._spawn(child)
                if child.service.first:
                    self._wait_until_ready(child)
            except LaunchError as error:
                child.deaths = 1
                self._wait_to_start(child, f"did not start: {error.what}")

    def _run_before(
        self, service: Service, command: tuple[str, ...], log: Path
    ) -> None:
        config = self.config
        with log.open("ab") as out:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=config.root,
                env=dict(config.env),
                start_new_session=True,
            )
        if done.returncode:
            words = " ".join(Path(part).name for part in command[:3])
            raise self._trouble(service, f"could not be prepared ({words})")

    def _trouble(self, service: Service, how: str) -> LaunchError:
        return LaunchError(
            f"{service.title} {how}.",
            "Mend what its log names, then run make up again. Nothing was left "
            "running.",
            logs.log_of(self.config, service.name),
        )

    def _collect(self) -> None:
        """Notice children that ended; say when each will be started again."""
        for child in self.children:
            if child.process is None or (code := child.process.poll()) is None:
                continue
            lived = time.monotonic() - child.began
            steady = lived > child.service.steady
            child.deaths = 1 if steady else child.deaths + 1
            self._wait_to_start(child, f"ended ({ending(code)}) after {span(lived)}")

    def _wait_to_start(self, child: Child, what: str) -> None:
        child.process = None
        processes.forget(self.config.pids, child.service.name)
        wait = BACK_OFF[min(child.deaths, len(BACK_OFF)) - 1]
        child.again = time.monotonic() + wait
        log = logs.log_of(self.config, child.service.name)
        when = f"in {wait:.0f} s" if wait else "at once"
        self.say(f"{child.service.title} {what}. Starting again {when}.")
        for line in last_lines(log, count=3):
            self.say(f"    {line}")
        self.say(f"    Log: {log}")

    def _start_due(self, now: float) -> float | None:
        """Start what is due; seconds until the next is, None when none waits."""
        for child in self.children:
            if child.again is not None and child.again <= now:
                try:
                    self._spawn(child)
                    self.say(f"{child.service.title} runs again.")
                except LaunchError as error:
                    child.deaths += 1
                    self._wait_to_start(child, f"did not start: {error.what}")
        waits = [child.again for child in self.children if child.again is not None]
        return max(0.0, min(waits) - time.monotonic()) if waits else None

    def _tend_logs(self, now: float) -> float:
        """Seconds until the next look."""
        if now >= self._logs_due:
            names = [child.service.name for child in self.children]
            ours = (*names, NAME, docker.NAME)
            logs.cut(logs.log_of(self.config, name) for name in ours)
            self._logs_due = now + logs.LOOK_SECONDS
        return self._logs_due - now

    def _stop(self, child: Child) -> None:
        name, process = child.service.name, child.process
        child.process = child.again = None
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(child.service.stop_seconds)
            except subprocess.TimeoutExpired:
                self.say(f"{child.service.title} did not end by itself; killed.")
                process.kill()
                process.wait()
        processes.forget(self.config.pids, name)
        for path in child.service.leftovers:
            path.unlink(missing_ok=True)

    # --- signals -------------------------------------------------------------

    def _listen_to_signals(self) -> None:
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        # A handler is needed for the wake-up to be written at all.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)
        signal.signal(signal.SIGUSR1, self._asked_to_restart)

    def _asked_to_stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _asked_to_restart(self, number: int, frame: FrameType | None) -> None:
        self.restarting = True

    def _drain_wakeups(self) -> None:
        try:
            while os.read(self.wakeup, 512):
                pass
        except BlockingIOError:
            return


def allow_descriptors() -> None:
    """Let this process and those it starts open as many as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def ending(code: int) -> str:
    """ "exit code 1" or the signal's name."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


class AlreadyRunning(Exception):
    """Another supervisor holds the lock of this ALIGHT_HOME."""


@contextmanager
def only_one(config: Config) -> Iterator[None]:
    """Hold this installation's lock. Raises AlreadyRunning.

    A forked child keeps the lock for as long as it lives; other programs started
    meanwhile do not inherit it.
    """
    handle = os.open(
        config.run / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning from None
        yield
    finally:
        os.close(handle)
