"""What runs inside the containers of docker-compose.yml.

    python -m launcher.inside web | worker | beat | ingress | prepare
    python -m launcher.inside healthy web | worker | beat | ingress

The commands are those of `make up` (launcher/services.py): a process is the same one,
whoever keeps it running.
"""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

from launcher.config import ROOT, Config, make_folders, read_config
from launcher.services import Service, beat, haproxy, is_healthy, web, worker
from launcher.wire import ask

# Files of an ingress that ended just now are its last state, and are started from at
# once. Older ones may name addresses that are somebody else's by now.
FRESH_SECONDS = 20.0
# Turns without a sign after which beat counts as stuck.
_TURNS = 6
_PATIENCE = 4.0

SERVICES: dict[str, Callable[[Config], Service]] = {
    "ingress": haproxy,
    "web": web,
    "worker": worker,
    "beat": beat,
}


def main(words: Sequence[str]) -> int:
    """The exit code; a service takes this process's place and never returns."""
    config = read_config(os.environ)
    match words:
        case ["healthy", ("web" | "worker" | "beat" | "ingress") as name]:
            return 0 if healthy(config, name) else 1
        case ["prepare"]:
            make_folders(config)
            return manage(config, "prepare", "--image")
        case [("web" | "worker" | "beat" | "ingress") as name]:
            make_folders(config)
            service = SERVICES[name](config)
            return get_ready(config, service) or become(config, service)
    print(__doc__, file=sys.stderr)
    return 2


def get_ready(config: Config, service: Service) -> int:
    """What has to be done before it starts; the exit code of what failed."""
    before = service.before
    if service.name == "haproxy" and not is_fresh(config):
        before = (*service.before_again, *before)
    for command in before:
        if code := subprocess.run(command, cwd=ROOT, env=dict(config.env)).returncode:
            return code
    for left in service.leftovers:
        left.unlink(missing_ok=True)
    return 0


def become(config: Config, service: Service) -> NoReturn:
    """Run it in this process's place, all it writes on standard output."""
    os.dup2(1, 2)
    os.chdir(ROOT)
    os.execvpe(service.command[0], service.command, dict(config.env))


def is_fresh(config: Config) -> bool:
    try:
        written = config.haproxy_cfg.stat().st_mtime
    except OSError:
        return False
    return time.time() - written < FRESH_SECONDS


def manage(config: Config, *words: str) -> int:
    command = [str(config.python), "manage.py", *words]
    return subprocess.run(command, cwd=ROOT, env=dict(config.env)).returncode


# --- Whether it works --------------------------------------------------------


def healthy(config: Config, name: str) -> bool:
    """Asked in the container of that service, every few seconds."""
    try:
        return _LOOKS[name](config)
    except (OSError, ValueError, http.client.HTTPException):
        return False


def _web(config: Config) -> bool:
    scheme = config.env.get("ALIGHT_SCHEME", "http")
    headers = {"Host": config.domain, "X-Forwarded-Proto": scheme}
    return _says_yes(config.env["ALIGHT_WEB_SOCKET"], headers)


def _worker(config: Config) -> bool:
    """It makes its rounds to their end: replicas/runner/door.py."""
    return _says_yes(config.env["ALIGHT_WORKER_SOCKET"], {})


def _beat(config: Config) -> bool:
    """What it sends reaches the broker: console/ticking.py."""
    turn = float(config.env.get("ALIGHT_SWEEP_SECONDS") or 10)
    sent = float((config.run / "beat-pulse").read_text())
    return time.monotonic() - sent < _TURNS * turn


def _says_yes(socket: str, headers: dict[str, str]) -> bool:
    host = f"unix://{socket}"
    return (
        ask(host, "GET", "/healthz", headers=headers, timeout=_PATIENCE).status == 200
    )


_LOOKS: dict[str, Callable[[Config], bool]] = {
    "ingress": is_healthy,
    "web": _web,
    "worker": _worker,
    "beat": _beat,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
