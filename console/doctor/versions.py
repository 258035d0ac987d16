"""Versions of what Alight stands on, and whether what runs is the code that is here."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from django.conf import settings

from console.doctor import place
from console.doctor.finding import Finding, fine, note, wrong
from endpoints import advice
from launcher import processes
from launcher.install import program

LEAST_HAPROXY = (2, 6)
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)")
_CODE = ("console", "replicas", "endpoints", "templates_app")


def check() -> list[Finding]:
    pins = (settings.BASE_DIR / "requirements.txt").read_text()
    return [
        packages(read_pins(pins), installed(read_pins(pins))),
        haproxy(_haproxy()),
        *code(_newest_code(), {name: _began(name) for name in ("web", "worker")}),
    ]


def read_pins(text: str) -> dict[str, str]:
    """{package: version} of a requirements file."""
    found = (_PIN.match(line) for line in text.splitlines())
    return {match[1]: match[2] for match in found if match}


def installed(names: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


def packages(pinned: Mapping[str, str], found: Mapping[str, str]) -> Finding:
    other = [name for name in pinned if found[name] != pinned[name]]
    if not other:
        return fine(f"{len(pinned)} Python packages are as requirements.txt says.")
    name = other[0]
    has = found[name] or "not there"
    return wrong(
        f"{len(other)} Python packages are other than requirements.txt says: {name} is "
        f"{has}, not {pinned[name]}.",
        f".venv/bin/python -m pip install -r requirements.txt, then {advice.restart()}",
    )


def haproxy(told: str) -> Finding:
    """told: what `haproxy -v` writes; "" when there is none."""
    match = re.search(r"version (\d+)\.(\d+)\S*", told)
    if match is None:
        return wrong("HAProxy is not installed.", "make up installs it.")
    if (int(match[1]), int(match[2])) < LEAST_HAPROXY:
        return wrong(f"HAProxy has {match[0]}; 2.6 is needed.", "Install a newer one.")
    return fine(f"HAProxy has {match[0]}.")


def code(newest: float, began: Mapping[str, float]) -> list[Finding]:
    """newest: when the newest source file was written. began: when processes that run
    were started. Seconds since the epoch."""
    old = [name for name, at in began.items() if at and at < newest]
    if not old:
        return []
    return [
        note(
            f"{' and '.join(old)} run{'s' if len(old) == 1 else ''} older code than is "
            "here.",
            f"{advice.renew()} takes over the new code; open sockets of endpoints "
            "stay.",
        )
    ]


def _haproxy() -> str:
    binary = program("haproxy")
    if not binary:
        return ""
    done = subprocess.run([binary, "-v"], capture_output=True, text=True, timeout=5)
    return done.stdout


def _newest_code() -> float:
    files = (
        path
        for app in _CODE
        for path in Path(settings.BASE_DIR / app).rglob("*.py")
        if "tests" not in path.parts
    )
    return max(path.stat().st_mtime for path in files)


def _began(name: str) -> float:
    """When that process was started; 0 when it does not run."""
    found = place.runs(name)
    return time.time() - processes.age(found) if found else 0.0
