"""The Docker engine: does it answer, start it when it does not, stop only ours."""

import http.client
import json
import os
import subprocess
import time
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

from launcher import processes
from launcher.config import Config
from launcher.errors import LaunchError
from launcher.install import as_root, program
from launcher.logs import log_of
from launcher.show import Step, say, step
from launcher.wire import ask

NAME = "dockerd"
# A first start loads the network drivers and makes its folders.
START_SECONDS = 60.0
# An engine that apt or systemd has just started answers within this.
JUST_INSTALLED_SECONDS = 10.0


class Answer(Enum):
    """What came of asking the engine for a ping."""

    YES = "yes"
    ABSENT = "absent"
    DENIED = "denied"
    SILENT = "silent"


def ping(docker_host: str, timeout: float = 5) -> Answer:
    try:
        answer = ask(docker_host, "GET", "/_ping", timeout=timeout)
        return Answer.YES if answer.status == 200 else Answer.SILENT
    except PermissionError:
        return Answer.DENIED
    except (FileNotFoundError, ConnectionRefusedError):
        return Answer.ABSENT
    except (OSError, http.client.HTTPException):
        return Answer.SILENT


def look_for_engine(config: Config) -> bool:
    """Whether the engine answers.

    Raises LaunchError when it does not and nothing we do here would change that.
    """
    host = config.docker_host
    answer = ping(host)
    if answer is Answer.DENIED:
        raise LaunchError(
            f"Docker runs, but this user may not use {urlsplit(host).path}.",
            'Run: sudo usermod -aG docker "$USER", then sign out and in again. '
            "Whoever is in that group can become root on this machine.",
        )
    ours = "ALIGHT_DOCKER_HOST" not in config.env
    if answer is Answer.SILENT or (answer is Answer.ABSENT and not ours):
        raise LaunchError(
            f"The Docker engine at {host} does not answer.",
            "Start or restart that engine, or correct ALIGHT_DOCKER_HOST, then run "
            "it again.",
        )
    return answer is Answer.YES


def ensure_engine(config: Config, *, just_installed: bool = False) -> None:
    """Return when the engine answers. Raises LaunchError when it cannot be made to."""
    if just_installed and _answers_within(config.docker_host, JUST_INSTALLED_SECONDS):
        return
    if look_for_engine(config):
        return
    if Path("/run/systemd/system").is_dir() and _has_unit():
        _start_with_systemd(config)
    else:
        _start_ourselves(config)


def stop_engine(config: Config) -> None:
    """Stop the engine if it is the one we started."""
    found = processes.running(config.pids, NAME)
    if found:
        with step("Stopping dockerd; containers keep running"):
            processes.stop(found, 30)
    processes.forget(config.pids, NAME)


def _has_unit() -> bool:
    show = ["systemctl", "cat", "docker.service"]
    return subprocess.run(show, capture_output=True).returncode == 0


def _start_with_systemd(config: Config) -> None:
    command = [*as_root("sudo systemctl start docker"), "systemctl", "start", "docker"]
    with step("Starting Docker (systemctl start docker)"):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode or not _answers_within(config.docker_host, START_SECONDS):
            raise LaunchError(
                f"Docker did not start. {done.stderr.strip()}".strip(),
                "See why: journalctl -u docker -n 50",
            )


def dockerd_command() -> list[str]:
    """How we start it; empty where there is none to start, or we are not root."""
    binary = program("dockerd")
    if not binary or os.geteuid() != 0:
        return []
    return [binary, *live_restore(Path("/etc/docker/daemon.json"))]


def _start_ourselves(config: Config) -> None:
    command = dockerd_command()
    if not command:
        raise LaunchError(
            f"No Docker engine answers at {config.docker_host}.",
            "Start it: sudo systemctl start docker (or, without systemd, run dockerd "
            "as root), then run this again.",
        )
    log = log_of(config, NAME)
    with step("Starting the Docker engine (dockerd)") as line, log.open("ab") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
        )
        processes.record(config.pids, NAME, process.pid)
        if not _comes_up(config.docker_host, process, line):
            processes.forget(config.pids, NAME)
            if process.poll() is None:
                process.terminate()
                process.wait()
            raise LaunchError(
                "The Docker engine did not start.",
                "Look at the lines above. In a container Docker needs a privileged "
                f"one. Try it by hand as root: {' '.join(command)}",
                log,
            )
    say(f"  Its log: {log}")


def live_restore(daemon_json: Path) -> list[str]:
    """The flag that lets containers outlive dockerd, unless the file has its say."""
    try:
        named = "live-restore" in json.loads(daemon_json.read_text() or "{}")
    except (OSError, ValueError):
        named = False
    swarm = Path("/var/lib/docker/swarm/docker-state.json")
    # The engine refuses a setting named twice, and live-restore in a swarm.
    return [] if named or swarm.exists() else ["--live-restore"]


def _comes_up(host: str, process: "subprocess.Popen[bytes]", line: Step) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if ping(host) is Answer.YES:
            return True
        line.news()
        try:
            process.wait(timeout=0.2)
            return False
        except subprocess.TimeoutExpired:
            continue
    return False


def _answers_within(host: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while (answer := ping(host)) is not Answer.YES:
        if answer is Answer.DENIED or time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
