"""make backup: the whole installation in one file, while the console runs."""

import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

from launcher.config import Config
from launcher.errors import LaunchError
from launcher.keeping.archive import DATABASE, VOLUMES, Writer
from launcher.keeping.places import KEYS, Places, fingerprint, given_key, places_of
from launcher.show import Step, say, step


def backup(config: Config, to: str, *, volumes: bool = False) -> int:
    """Write it to `to` ("" for a name with the date, here). Raises LaunchError."""
    places = places_of(config)
    if not places.database.is_file():
        raise LaunchError(
            f"There is no database at {places.database}.",
            "Give the right ALIGHT_HOME. An installation has one after its first "
            "make up.",
        )
    target = Path(to or f"alight-backup-{time.strftime('%Y%m%d-%H%M%S')}.tar")
    target = target.expanduser().absolute()
    with (
        _fresh(target) as out,
        _copy(places.database, target) as database,
        step("Writing the backup") as line,
    ):
        facts, size = _write(config, places, database, out, line, volumes=volumes)
    say(f"Backup: {target}  ({size / 1e6:.1f} MB)")
    if facts["key_in"] == "settings":
        say("  Without the secret key, which your settings name: keep that apart.")
    else:
        say("  Whoever has this file can open every secret in it. Keep it so.")
    if not volumes and facts["has_volumes"]:
        say("  Without the files on volumes: make backup VOLUMES=1 takes them along.")
    return 0


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
    rows = _volumes(database)
    for row in rows if volumes else ():
        line.news(f"volume {row['name']}")
        _add_volume(config, writer, row["engine_name"])
    own = key or places.keys["secret_key"].read_text()
    facts = {
        "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "migrations": _migrations(database),
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
def _copy(database: Path, target: Path) -> Iterator[Path]:
    """One moment of the database, as a file beside the target that goes again."""
    copy = target.with_name(f".{target.name}.sqlite3")
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        with step("Copying the database"):
            _copy_to(database, copy)
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def _copy_to(database: Path, copy: Path) -> None:
    try:
        with (
            closing(
                sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
            ) as source,
            closing(sqlite3.connect(copy)) as into,
        ):
            # In one step: writers go on meanwhile, and this sees none of them.
            source.backup(into)
            into.execute("PRAGMA journal_mode=DELETE")
            found = into.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise LaunchError(
            f"The database {database} cannot be copied: {error}.",
            "See make doctor: most often a disk is full.",
        ) from error
    if found != "ok":
        raise LaunchError(
            f"The database {database} is damaged: {found}.",
            "Nothing was kept. An earlier backup may be whole: make restore FROM=…",
        )


def _migrations(database: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for app, name in _rows(database, "select app, name from django_migrations"):
        found.setdefault(app, []).append(name)
    return found


def _volumes(database: Path) -> list[dict[str, str]]:
    ask = "select name, engine_name from endpoints_volume where not deleting"
    return [{"name": n, "engine_name": e} for n, e in _rows(database, ask)]


def _rows(database: Path, query: str) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(database)) as link:
        return link.execute(query).fetchall()


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
