"""The rules around replicas, as far as `make status` and `make down` go.

The worker puts them up (replicas/isolation) and notes beside its socket what came of
it. They stay as long as replicas run.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from launcher.config import Config
from launcher.errors import LaunchError
from launcher.replicas import count_running
from launcher.show import say, step


def noted(config: Config) -> dict[str, Any]:
    """What the worker noted: "fenced", "way", "text"; empty when it noted nothing."""
    try:
        found = json.loads(_file(config).read_text())
    except (OSError, ValueError):
        return {}
    told = isinstance(found, dict) and isinstance(found.get("text"), str)
    return found if told else {}


def remove_unneeded(config: Config) -> None:
    """Take the rules down if there are any and no replica runs behind them."""
    if noted(config).get("way") not in {"here", "helper"}:
        return
    try:
        if count_running(config):
            return
    except LaunchError:
        return  # the engine is away, and replicas may run without it
    remove(config)


def remove(config: Config) -> None:
    """Take the rules down. A failure is said, and stops nothing."""
    with step("Removing the rules around replicas"):
        done = subprocess.run(
            [str(config.python), "manage.py", "isolation", "--remove"],
            env=dict(config.env),
            cwd=config.root,
            capture_output=True,
            text=True,
        )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it gave no reason"]
        say(f"    {last[0]}")


def _file(config: Config) -> Path:
    return Path(config.env["ALIGHT_WORKER_SOCKET"]).with_name("isolation.json")
