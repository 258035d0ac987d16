"""Whose the state is, and who else may read it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from django.conf import settings

from console.doctor import place
from console.doctor.finding import Finding, fine, wrong
from endpoints import advice

# Only their owner may read these: they open everything.
_KEYS = ("secret_key", "old_secret_keys", "metrics_token", "installation")


def check() -> list[Finding]:
    home: Path = settings.ALIGHT_HOME
    if not home.is_dir():
        return [
            wrong(
                f"There is no {home}: nothing was ever started here.",
                f"Give the right ALIGHT_HOME, or: {advice.start()}",
            )
        ]
    private = [home, place.config().run, Path(settings.ALIGHT_INGRESS_DIR)]
    private += [home / name for name in _KEYS]
    # Inside a private folder these are nobody else's anyway.
    inside = [Path(settings.ALIGHT_LOG_DIR), place.database()]
    found = [
        finding
        for path in (*private, *inside)
        if path.exists()
        and (
            finding := judge(
                path, path.stat(), os.geteuid(), private=path not in inside
            )
        )
    ]
    return found or [fine(f"{home} is its owner's alone.")]


def judge(
    path: Path, seen: os.stat_result, user: int, *, private: bool
) -> Finding | None:
    """user: who asks. private: nobody but the owner may read it."""
    if seen.st_uid != user and user != 0:
        return wrong(
            f"{path} belongs to user {seen.st_uid}, and this is {user}.",
            "Run this as that user, or give it to this one: "
            f'sudo chown -R "$USER" {path}',
        )
    if private and seen.st_mode & 0o077:
        return wrong(
            f"{path} may be read by others ({stat.S_IMODE(seen.st_mode):o}).",
            f"chmod go= {path}",
        )
    if user and not os.access(path, os.R_OK | os.W_OK):
        return wrong(f"{path} cannot be written.", f"chmod u+rw {path}")
    return None
