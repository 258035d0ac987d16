"""The console's own processes: killed, frozen, doubled."""

import shutil
import signal
import subprocess
from contextlib import contextmanager

from launcher import processes, services
from tests.chaos.faults.missed import Missed, send


def _kill(stage, name):
    """kill -9, and its end; the supervisor starts it again."""
    found = processes.running(stage.console.config.pids, name)
    if found is None:
        words = f"{name} does not run"
        raise Missed(words)
    send(found.pid, signal.SIGKILL)
    while processes.alive(found):
        stage.wait(0.01)


def _killer(name):
    return lambda stage: _kill(stage, name)


def _empty_valkey(stage):
    """Its data goes with it."""
    folder = stage.console.home / "valkey"
    shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
    _kill(stage, "valkey")


def _freeze(stage, seconds):
    pid = stage.pid("worker")
    if pid is None:
        words = "worker does not run"
        raise Missed(words)
    send(pid, signal.SIGSTOP)
    stage.wait(seconds)
    send(pid, signal.SIGCONT)


@contextmanager
def _another_worker(stage, ends):
    config = stage.console.config
    with (config.logs / "worker2.log").open("ab") as log:
        other = subprocess.Popen(
            services.worker(config).command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=config.root,
            env=dict(config.env),
            start_new_session=True,
        )
        try:
            yield
        finally:
            other.send_signal(signal.Signals[f"SIG{ends}"])
            try:
                other.wait(25)
            except subprocess.TimeoutExpired:
                other.kill()
                other.wait()


def _two(stage, seconds, ends):
    with _another_worker(stage, ends):
        stage.wait(seconds)


def _freeze_beside(stage, seconds):
    """The other has taken its locks by the time it comes back."""
    with _another_worker(stage, "TERM"):
        stage.wait(2)
        _freeze(stage, seconds)
        stage.wait(2)


STRIKES = {
    "worker killed": _killer("worker"),
    "worker frozen": _freeze,
    "two workers": _two,
    "worker frozen beside another": _freeze_beside,
    "web killed": _killer("web"),
    "beat killed": _killer("beat"),
    "HAProxy killed": _killer("haproxy"),
    "Valkey killed": _killer("valkey"),
    "Valkey killed and emptied": _empty_valkey,
}
