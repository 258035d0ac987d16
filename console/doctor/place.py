"""The launcher's view of this installation: folders, pid records, addresses."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from django.conf import settings

from console.doctor.finding import CannotLook
from launcher import processes
from launcher.config import Config, read_config
from launcher.database import Postgres, chosen


@cache
def config() -> Config:
    return read_config({**os.environ, "ALIGHT_HOME": str(settings.ALIGHT_HOME)})


def runs(name: str) -> processes.Record | None:
    """The process of that name, if it runs."""
    return processes.running(config().pids, name)


def postgres() -> Postgres | None:
    """The PostgreSQL in use; None for SQLite."""
    return chosen(os.environ)


def database() -> Path:
    """SQLite's file."""
    return Path(settings.ALIGHT_SQLITE)


def has_database() -> bool:
    """Whether there is one to ask: asking SQLite would make an empty one."""
    return postgres() is not None or database().is_file()


def need_database() -> None:
    """Raises CannotLook where there is none."""
    if not has_database():
        raise CannotLook("there is no database.")
