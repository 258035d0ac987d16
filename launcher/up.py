"""make up, as prose: look, install, check, prepare, start, say where it is."""

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from launcher import base_images, ports, processes
from launcher.config import Config, make_folders
from launcher.detach import Tell, run_detached
from launcher.down import KEPT, stop_leftovers
from launcher.engine import ensure_engine, look_for_engine, stop_engine
from launcher.errors import LaunchError
from launcher.install import find_missing, install
from launcher.logs import log_of
from launcher.services import all_services
from launcher.show import run_logged, say, span
from launcher.supervisor import AlreadyRunning, Supervisor, only_one

# Below this an image build or a database write soon fails in stranger words.
LEAST_DISK = 300 * 1024 * 1024


def up(config: Config, *, detach: bool) -> int:
    """Start everything. Returns the exit code; raises LaunchError."""
    make_folders(config)
    try:
        with only_one(config):
            return _up(config, detach=detach)
    except AlreadyRunning:
        return say_it_runs(config)


def _up(config: Config, *, detach: bool) -> int:
    begun = time.monotonic()
    say(f"Alight: state in {config.home}")
    stop_leftovers(config)
    check_disk(config)
    running_file(config).unlink(missing_ok=True)
    config = with_usable_addresses(config)
    get_ready(config)
    try:
        base_images.ensure(config)
        sign_in = prepare(config)
        start = _start_detached if detach else _start_here
        return start(config, sign_in, begun)
    except (LaunchError, KeyboardInterrupt):
        stop_engine(config)
        raise


# --- Before the start --------------------------------------------------------


def with_usable_addresses(config: Config) -> Config:
    bind = ports.usable(config.bind, config.port)
    env = {**config.env, "ALIGHT_BIND": ",".join(bind)}
    return replace(config, bind=bind, env=env)


def check_disk(config: Config) -> None:
    free = shutil.disk_usage(config.home).free
    if free < LEAST_DISK:
        raise LaunchError(
            f"The disk of {config.home} is full: {free // 2**20} MB left.",
            "Free some space (docker image prune shows what images hold), or set "
            "ALIGHT_HOME to a folder on another disk.",
        )


def get_ready(config: Config) -> None:
    """Install what is missing and have a Docker engine that answers."""
    missing = find_missing(config, engine_answers=look_for_engine(config))
    install(config, missing)
    ensure_engine(config, just_installed="docker.io" in missing.needed)


def prepare(config: Config) -> str:
    """Bring database, static files and catalogue up to date, and make user admin.

    Returns the lines that say how to sign in: the one place a password may show.
    """
    env = dict(config.env)
    if password := os.environ.get("ALIGHT_ADMIN_PASSWORD"):
        env["ALIGHT_ADMIN_PASSWORD"] = password
    return run_logged(
        "Preparing database, static files and catalogue",
        [str(config.python), "manage.py", "prepare"],
        log=config.logs / "prepare.log",
        todo="Mend what the lines above name, then run make up again.",
        env=env,
        cwd=config.root,
        capture=True,
    ).strip()


# --- The start ---------------------------------------------------------------


def _start_here(config: Config, sign_in: str, begun: float) -> int:
    """Watch in the foreground until Ctrl-C."""
    supervisor = Supervisor(config, all_services(config), _say_indented)
    try:
        supervisor.start()
    except LaunchError:
        say(sign_in)
        raise
    _note_running(config)
    if not supervisor.stopping:
        say_where(config, sign_in, begun)
        say("  Ctrl-C stops it.")
    supervisor.watch()
    say("\nStopping.")
    _end(config, supervisor)
    say(KEPT)
    return 0


def _start_detached(config: Config, sign_in: str, begun: float) -> int:
    """Return when the console answers, with everything in a process of its own."""

    def work(tell: Tell) -> None:
        supervisor = Supervisor(
            config, all_services(config), _stamped(lambda line: tell("say", line))
        )
        try:
            supervisor.start()
        except LaunchError as error:
            log = str(error.log) if error.log else ""
            tell("fail", json.dumps([error.what, error.todo, log]))
            return
        _note_running(config)
        tell("ready", "")
        tell("end", "")
        supervisor.watch()
        _end(config, supervisor)

    ready = False
    for kind, text in run_detached(work, log_of(config, "supervisor")):
        if kind == "fail":
            say(sign_in)
            what, todo, log = json.loads(text)
            raise LaunchError(what, todo, Path(log) if log else None)
        ready = ready or kind == "ready"
        if kind == "say":
            _say_indented(text.partition("  ")[2])
    if not ready:
        say(sign_in)
        raise LaunchError(
            "The supervisor ended before the console answered.",
            "Run make up again; without DETACH=1 it shows more.",
            log_of(config, "supervisor"),
        )
    say_where(config, sign_in, begun)
    say("  Stop it: make down")
    return 0


def _end(config: Config, supervisor: Supervisor) -> None:
    supervisor.stop()
    running_file(config).unlink(missing_ok=True)
    stop_engine(config)


def _say_indented(text: str) -> None:
    say(f"  {text}")


def _stamped(write: Callable[[str], None]) -> Callable[[str], None]:
    """Lines with the time before them, for the supervisor's log."""
    return lambda text: write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}")


# --- Where it is -------------------------------------------------------------


def running_file(config: Config) -> Path:
    return config.run / "running.json"


def _note_running(config: Config) -> None:
    running_file(config).write_text(json.dumps({"url": config.url, "restarts": True}))


def say_where(config: Config, sign_in: str, begun: float) -> None:
    say()
    say(f"Alight is at {config.url}  (up in {span(time.monotonic() - begun)})")
    for line in sign_in.splitlines():
        say(f"  {line}")
    say(f"  Logs: {config.logs}")


def say_it_runs(config: Config) -> int:
    """What a second make up says. 0 when it runs; 1 while another one prepares."""
    found = processes.running(config.pids, "supervisor")
    try:
        url = json.loads(running_file(config).read_text())["url"]
    except (OSError, ValueError, KeyError):
        url = ""
    if not found or not url:
        say("Another make up is preparing this installation. Wait for it to end.")
        return 1
    # A Docker that was stopped since is started again; all else goes on as it was.
    ensure_engine(config)
    say(f"Alight runs at {url}  (for {span(processes.age(found))})")
    say(f"  Logs: {config.logs}")
    say("  Stop it: make down    What it uses: make status")
    if url != config.url:
        say(f"  To have it at {config.url} instead, run make down first.")
    return 0
