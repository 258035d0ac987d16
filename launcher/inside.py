"""What runs inside the containers of docker-compose.yml.

    python -m launcher.inside web | worker | beat | ingress | prepare

The commands are those of `make up` (launcher/services.py): a process is the same one,
whoever keeps it running.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from launcher.config import ROOT, Config, make_folders, read_config
from launcher.services import (
    WELL,
    Service,
    beat,
    haproxy,
    health_headers,
    web,
    worker,
)

# Files of an ingress that ended just now are its last state, and are started from at
# once. Older ones may name addresses that are somebody else's by now.
FRESH_SECONDS = 20.0
# Turns without a sign after which beat counts as stuck.
_TURNS = 6

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
        case ["prepare"]:
            make_folders(config)
            return manage(config, "prepare", "--image")
        case [("web" | "worker" | "beat" | "ingress") as name]:
            make_folders(config)
            note_look(config, name)
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


# --- Whether it works: what launcher/look.py asks --------------------------------


def note_look(config: Config, name: str) -> None:
    look_file(config, name).write_text(_LOOKS[name](config))


def look_file(config: Config, name: str) -> Path:
    return config.run / f"look-{name}"


def _web(config: Config) -> str:
    return _request(config, config.env["ALIGHT_WEB_SOCKET"])


def _worker(config: Config) -> str:
    """It makes its rounds to their end: replicas/runner/door.py."""
    return _request(config, config.env["ALIGHT_WORKER_SOCKET"])


def _ingress(config: Config) -> str:
    """It leads to the console, or from http to https."""
    return _request(config, config.bind[0], config.port)


def _beat(config: Config) -> str:
    """What it sends reaches the broker: console/ticking.py."""
    turn = float(config.env.get("ALIGHT_SWEEP_SECONDS") or 10)
    return f"pulse {config.run / 'beat-pulse'} {_TURNS * turn}"


def _request(config: Config, address: str, port: int = 0) -> str:
    statuses = ",".join(map(str, WELL if port else (200,)))
    headers = {**health_headers(config), "Connection": "close"}
    lines = ["GET /healthz HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    return "\n".join([f"http {address} {port} {statuses}", *lines, "", ""])


_LOOKS: dict[str, Callable[[Config], str]] = {
    "ingress": _ingress,
    "web": _web,
    "worker": _worker,
    "beat": _beat,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
