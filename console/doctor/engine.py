"""The container engine: whether it answers, to us, and is recent enough."""

from __future__ import annotations

import http.client
import json
from typing import Any

from django.conf import settings

from console.doctor.finding import Finding, fine, note, wrong
from endpoints import advice
from launcher.engine import Answer, ping
from launcher.wire import ask

_SECONDS = 4.0
LEAST_API = (1, 41)


def check() -> list[Finding]:
    host = settings.ALIGHT_DOCKER_HOST
    answer = ping(host, timeout=_SECONDS)
    if answer is not Answer.YES:
        return [away(answer, host)]
    return [judge(host, _get("/version"), info())]


def away(answer: Answer, host: str) -> Finding:
    if answer is Answer.DENIED:
        mend = 'sudo usermod -aG docker "$USER", then sign out and in again.'
        if advice.by_compose():
            mend = (
                "DOCKER_GID in .env is the number of the group of that socket (stat -c "
                f"%g names it). Then: {advice.start()}"
            )
        return wrong(f"Docker runs, but this user may not use {host}.", mend)
    if answer is Answer.SILENT:
        return wrong(
            f"The Docker engine at {host} takes the call and does not answer.",
            "Restart it (sudo systemctl restart docker); replicas go on with "
            "live-restore. Its log: journalctl -u docker, or logs/dockerd.log.",
        )
    mend = (
        f"Start it (sudo systemctl start docker, or {advice.start()}), or correct "
        "ALIGHT_DOCKER_HOST."
    )
    if advice.by_compose():
        mend = (
            "Start it (sudo systemctl start docker). Where it runs, it made its socket "
            f"anew, and the worker has the old one: {advice.anew('worker')}"
        )
    return wrong(
        f"No Docker engine answers at {host}. What runs goes on; nothing starts or "
        "stops.",
        mend,
    )


def judge(host: str, version: dict[str, Any], told: dict[str, Any]) -> Finding:
    name = f"Docker {version.get('Version', 'of unknown version')}"
    api = version.get("ApiVersion", "0.0")
    if tuple(int(part) for part in api.split(".")) < LEAST_API:
        return wrong(
            f"{name} at {host} speaks API {api}; 1.41 is needed.",
            "Install Docker 20.10 or newer.",
        )
    if not told.get("LiveRestoreEnabled"):
        return note(
            f"{name} answers at {host}, without live-restore: replicas end when it "
            "restarts, and start again.",
            'Put "live-restore": true into /etc/docker/daemon.json and reload Docker, '
            "where it is no swarm.",
        )
    return fine(f"{name} answers at {host}; replicas outlive its restart.")


def info() -> dict[str, Any]:
    """What the engine says of itself; empty when it does not."""
    return _get("/info")


def _get(path: str) -> dict[str, Any]:
    try:
        answer = ask(settings.ALIGHT_DOCKER_HOST, "GET", path, timeout=_SECONDS)
        found: dict[str, Any] = json.load(answer)
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    return found
