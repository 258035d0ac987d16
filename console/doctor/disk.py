"""Room on the disks that state, logs and containers are on."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from console.doctor import engine
from console.doctor.finding import Finding, fine, note, wrong
from launcher.up import LEAST_DISK

# Below this a note; below LEAST_DISK `make up` refuses, and writes soon fail.
ROOMY = 5 * 1024**3
_FEW_FILES = 10_000


def check() -> list[Finding]:
    places = {
        "state (ALIGHT_HOME)": settings.ALIGHT_HOME,
        "replicas' logs": settings.ALIGHT_LOG_DIR,
        "containers and images": _engine_root(),
    }
    found, seen = [], set()
    for what, path in places.items():
        if path is None or not path.is_dir():
            continue
        on = path.stat().st_dev
        if on not in seen:
            seen.add(on)
            found.append(look(what, path))
    return found


def look(what: str, path: Path) -> Finding:
    disk = os.statvfs(path)
    # Of a file system without a limit of files, 0 in all.
    files = disk.f_favail if disk.f_files else _FEW_FILES
    return judge(what, path, disk.f_bavail * disk.f_frsize, files)


def judge(what: str, path: Path, free: int, files: int) -> Finding:
    """free in bytes; files: how many more it takes."""
    room = f"{free / 1024**3:.1f} GB free"
    if files < _FEW_FILES:
        return wrong(
            f"The disk with {what}, {path}, takes only {files} more files.",
            "Remove many small files there; df -i shows how it stands.",
        )
    if free >= ROOMY:
        return fine(f"{room} for {what}, {path}.")
    mend = (
        "Free some space: docker image prune shows what images hold, du -xsh "
        f"{path}/* what else is there. Alight goes on by itself then."
    )
    say = wrong if free < LEAST_DISK else note
    return say(f"Only {room} for {what}, {path}.", mend)


def _engine_root() -> Path | None:
    """Where the engine keeps its data, when that is on this machine."""
    if urlsplit(settings.ALIGHT_DOCKER_HOST).scheme != "unix":
        return None
    told = engine.info()
    return Path(told["DockerRootDir"]) if told.get("DockerRootDir") else None
