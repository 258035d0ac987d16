"""Replicas as the engine knows them, for those who want them gone as well."""

import http.client
import json
from typing import Any
from urllib.parse import quote

from launcher.config import Config
from launcher.errors import LaunchError
from launcher.wire import ask

# Written on everything Alight makes: replicas/engine/names.py.
LABEL = "alight.installation"


def remove_replicas(config: Config, *, volumes: bool = False) -> int:
    """Stop and remove this installation's containers and network; how many.

    volumes: their files too, which cannot be undone. Raises LaunchError.
    """
    host, label = config.docker_host, f"{LABEL}={installation(config)}"
    try:
        found = _list(host, "/containers/json?all=1&", label)
        for container in found:
            _act(host, "POST", f"/containers/{container['Id']}/stop?t=10")
            _act(host, "DELETE", f"/containers/{container['Id']}?force=1")
        for network in _list(host, "/networks?", label):
            _act(host, "DELETE", f"/networks/{network['Id']}")
        if volumes:
            every = _list(host, "/volumes?", label, "Volumes")
            for volume in every:
                _act(host, "DELETE", f"/volumes/{quote(volume['Name'], safe='')}")
    except (OSError, http.client.HTTPException) as error:
        raise LaunchError(
            f"The Docker engine at {host} did not answer: {error}.",
            "Replicas may still run. Start the engine, then run it again.",
        ) from error
    return len(found)


def count_running(config: Config) -> int:
    """How many of this installation's containers run. Raises LaunchError."""
    host, label = config.docker_host, f"{LABEL}={installation(config)}"
    try:
        return len(_list(host, "/containers/json?", label))
    except (OSError, http.client.HTTPException) as error:
        raise LaunchError(
            f"The Docker engine at {host} did not answer: {error}.",
            "Start the engine, then run it again.",
        ) from error


def installation(config: Config) -> str:
    """The name on everything this installation made, as console.settings has it."""
    if name := config.env.get("ALIGHT_INSTALLATION"):
        return name[:12]
    try:
        return (config.home / "installation").read_text().strip()[:12]
    except OSError as error:
        raise LaunchError(
            f"{config.home} has no installation that was ever started.",
            "Give the right ALIGHT_HOME.",
        ) from error


def _list(host: str, path: str, label: str, key: str = "") -> list[dict[str, Any]]:
    filters = quote(json.dumps({"label": [label]}))
    answer = json.load(ask(host, "GET", f"{path}filters={filters}", timeout=30))
    found: list[dict[str, Any]] | None = answer[key] if key else answer
    return found or []


def _act(host: str, method: str, path: str) -> None:
    """Already gone or already stopped is as good as done."""
    ask(host, method, path, timeout=60).read()
