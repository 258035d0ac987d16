"""make restart: new code, with every open connection of endpoints kept."""

import json
import os
import signal
import time

from launcher import processes
from launcher.config import Config
from launcher.down import SERVICES
from launcher.errors import LaunchError
from launcher.install import Missing, find_missing, install
from launcher.logs import log_of
from launcher.services import all_services
from launcher.show import Step, say, step
from launcher.supervisor import NAME
from launcher.up import running_file

# Stopping all and starting all takes longer than this only when something is wrong.
_SECONDS = 150.0


def restart(config: Config) -> int:
    """Return when all answer again. Raises LaunchError."""
    found = processes.running(config.pids, NAME)
    if found is None:
        raise LaunchError("Alight does not run here.", "Start it: make up")
    if not _understands(config):
        raise LaunchError(
            "What runs is of a version that cannot restart itself.",
            "This once: make down, then make up.",
        )
    missing = find_missing(config, engine_answers=True)
    install(config, Missing(requirements=missing.requirements))
    before = _pids(config)
    with step("Restarting web, worker, beat and Valkey; endpoints go on") as line:
        os.kill(found.pid, signal.SIGUSR1)
        _wait(config, found, before, line)
    say("Restarted. HAProxy and the supervisor are as they were: make down and make up")
    say("take over their new rules and new settings too.")
    return 0


def _understands(config: Config) -> bool:
    """Whether the supervisor takes this signal; an older one would end."""
    try:
        told = json.loads(running_file(config).read_text())
    except (OSError, ValueError):
        return False
    return bool(told.get("restarts"))


def _wait(
    config: Config, supervisor: processes.Record, before: dict[str, int], line: Step
) -> None:
    services = [service for service in all_services(config) if not service.stays]
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and processes.alive(supervisor):
        line.news()
        now = _pids(config)
        fresh = all(now.get(s.name, 0) not in {0, before.get(s.name)} for s in services)
        if fresh and all(s.ready is None or s.ready() for s in services):
            return
        time.sleep(0.1)
    raise LaunchError(
        "Not everything runs again.",
        "See the lines above and make doctor; the supervisor goes on trying.",
        log_of(config, NAME),
    )


def _pids(config: Config) -> dict[str, int]:
    found = {name: processes.running(config.pids, name) for name in SERVICES}
    return {name: record.pid for name, record in found.items() if record}
