"""make backup: the whole installation in one file, while the console runs."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import IO, Any, cast

from launcher.config import Config
from launcher.errors import LaunchError
from launcher.keeping import sqlite
from launcher.keeping.archive import DATABASE, VOLUMES, Writer
from launcher.keeping.database import database_file
from launcher.keeping.places import KEYS, Places, fingerprint, given_key, places_of
from launcher.show import Step, say, step

# In place of a file's name: standard output, or input for a restore.
STREAM = "-"


def backup(config: Config, to: str, *, volumes: bool = False) -> int:
    """Write it to `to`: "" for a name with the date, here; "-" for standard output.

    Raises LaunchError.
    """
    places = places_of(config)
    if places.postgres is None and not places.database.is_file():
        raise LaunchError(
            f"There is no database at {places.database}.",
            "Give the right ALIGHT_HOME. An installation has one after its first "
            "make up.",
        )
    if to == STREAM:
        # Standard output is the backup's; what people read goes beside it.
        out = cast(IO[bytes], _Counted(sys.stdout.buffer))
        with redirect_stdout(sys.stderr):
            facts, size = _keep(config, places, config.home / "backup", out, volumes)
            _tell("written", facts, size, volumes=volumes)
        return 0
    name = to or f"alight-backup-{time.strftime('%Y%m%d-%H%M%S')}.tar"
    target = Path(name).expanduser().absolute()
    with _fresh(target) as file:
        facts, size = _keep(config, places, target, file, volumes)
    _tell(str(target), facts, size, volumes=volumes)
    return 0


def _keep(
    config: Config, places: Places, target: Path, out: IO[bytes], volumes: bool
) -> tuple[dict[str, Any], int]:
    """Its facts and its bytes. target: copies lie beside it meanwhile."""
    with (
        _copy(config, places, target) as database,
        step("Writing the backup") as line,
    ):
        return _write(config, places, database, out, line, volumes=volumes)


def _tell(where: str, facts: dict[str, Any], size: int, *, volumes: bool) -> None:
    say(f"Backup: {where}  ({size / 1e6:.1f} MB)")
    if facts["key_in"] == "settings":
        say("  Without the secret key, which your settings name: keep that apart.")
    else:
        say("  Whoever has this file can open every secret in it. Keep it so.")
    if not volumes and facts["has_volumes"]:
        say("  Without the files on volumes: make backup VOLUMES=1 takes them along.")


class _Counted:
    """A pipe that says how far it is, as a tar asks."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._bytes = 0

    def write(self, data: Any) -> int:
        self._out.write(data)
        self._bytes += len(data)
        return len(data)

    def tell(self) -> int:
        return self._bytes

    def flush(self) -> None:
        self._out.flush()


def _write(
    config: Config,
    places: Places,
    database: Path,
    out: IO[bytes],
    line: Step,
    *,
    volumes: bool,
) -> tuple[dict[str, Any], int]:
    writer = Writer(out)
    writer.add(DATABASE, database)
    key = given_key(config)
    # After the database: a key that was changed meanwhile has left the old one.
    for name in KEYS:
        if places.keys[name].is_file() and not (key and name == "secret_key"):
            writer.add(name, places.keys[name])
    for name, folder in places.folders.items():
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            line.news(path.name)
            try:
                writer.add(f"{name}/{path.relative_to(folder).as_posix()}", path)
            except FileNotFoundError:
                continue  # it was deleted meanwhile
    rows = sqlite.volumes(database)
    for row in rows if volumes else ():
        line.news(f"volume {row['name']}")
        _add_volume(config, writer, row["engine_name"])
    own = key or places.keys["secret_key"].read_text()
    facts = {
        "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "migrations": sqlite.migrations(database),
        "key": fingerprint(own),
        "key_in": "settings" if key else "backup",
        "volumes": rows if volumes else [],
        "has_volumes": bool(rows),
    }
    writer.finish(facts)
    return facts, writer.bytes


def _add_volume(config: Config, writer: Writer, name: str) -> None:
    """Its files, as the engine gives them. One that no replica had yet has none."""
    read = [str(config.python), "manage.py", "volume_files", "read", name]
    with subprocess.Popen(
        read,
        cwd=config.root,
        env=dict(config.env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        writer.add_stream(f"{VOLUMES}/{name}", process.stdout)
        said = process.stderr.read().decode(errors="replace").strip()
    if process.returncode:
        raise LaunchError(
            f"The files of volume {name} could not be read: {said[-300:]}",
            "See make doctor. Without VOLUMES=1 the rest can be kept.",
        )


# --- The database ------------------------------------------------------------


@contextmanager
def _copy(config: Config, places: Places, target: Path) -> Iterator[Path]:
    """One moment of the database, as an SQLite file that goes again."""
    if places.postgres is None:
        with sqlite.copied(places.database, target) as copy:
            yield copy
        return
    with sqlite.private(target) as copy:
        database_file(config, "read", copy)
        yield copy


# --- The file ----------------------------------------------------------------


@contextmanager
def _fresh(target: Path) -> Iterator[IO[bytes]]:
    """A file for its owner alone that gets its name only when it is whole."""
    if target.exists():
        raise LaunchError(
            f"{target} is there already.", "Name another: make backup TO=FILE"
        )
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
