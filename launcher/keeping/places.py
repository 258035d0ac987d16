"""Where an installation keeps what a backup holds."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from launcher.config import Config
from launcher.database import Postgres
from launcher.database import chosen as chosen_postgres
from launcher.errors import LaunchError

# Files of the home. They open and name everything.
KEYS = ("secret_key", "old_secret_keys", "installation", "metrics_token")
# Folders: name in the backup, the setting that moves it.
FOLDERS = {"replica-logs": "ALIGHT_LOG_DIR", "async": "ALIGHT_ASYNC_DIR"}


@dataclass(frozen=True)
class Places:
    """As console/settings.py has them. database: SQLite's, unless there is a
    PostgreSQL."""

    database: Path
    postgres: Postgres | None
    keys: dict[str, Path]
    folders: dict[str, Path]


def places_of(config: Config) -> Places:
    """Raises LaunchError."""

    def chosen(setting: str, usual: str) -> Path:
        return Path(config.env.get(setting) or config.home / usual)

    try:
        postgres = chosen_postgres(config.env)
    except ValueError as error:
        raise LaunchError(str(error), "Correct it, then run it again.") from None
    return Places(
        postgres=postgres,
        database=chosen("ALIGHT_SQLITE", "alight.sqlite3"),
        keys={name: config.home / name for name in KEYS},
        folders={name: chosen(setting, name) for name, setting in FOLDERS.items()},
    )


def given_key(config: Config) -> str | None:
    """The secret key that settings name, in a variable or a file of their own."""
    if key := config.env.get("ALIGHT_SECRET_KEY"):
        return key
    named = config.env.get("ALIGHT_SECRET_KEY_FILE")
    try:
        return Path(named).read_text().strip() if named else None
    except OSError as error:
        raise LaunchError(
            f"ALIGHT_SECRET_KEY_FILE names {named}: {error.strerror}.",
            "Correct it, then run it again.",
        ) from error


def fingerprint(key: str) -> str:
    """Tells keys apart and gives nothing of them away: they are long and random."""
    return hashlib.sha256(b"alight backup\0" + os.fsencode(key.strip())).hexdigest()[
        :16
    ]
