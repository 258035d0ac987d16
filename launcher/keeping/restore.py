"""make restore: put a backup in the place of an installation, or where none is."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from launcher.config import Config, make_folders
from launcher.down import stop_leftovers
from launcher.engine import ensure_engine, look_for_engine
from launcher.errors import LaunchError
from launcher.install import find_missing, install
from launcher.keeping.archive import DATABASE, VOLUMES, Facts, members, verify
from launcher.keeping.backup import STREAM
from launcher.keeping.database import database_file
from launcher.keeping.places import (
    FOLDERS,
    Places,
    fingerprint,
    given_key,
    places_of,
)
from launcher.show import say, step
from launcher.supervisor import AlreadyRunning, only_one

_APPS = ("console", "templates_app", "endpoints", "replicas")
# New replicas get numbers that none had which ran after the backup was made: their
# containers may still be there, and are nobody's then.
_AHEAD = 1000
_MARGIN = 300 * 1024 * 1024


def restore(
    config: Config, source: str, *, replace: bool = False, ready: bool = False
) -> int:
    """From a file, or from standard input ("-"). Raises LaunchError, before anything
    was changed.

    ready: this machine has all that is needed, and nothing may be installed or started.
    """
    if not source:
        raise LaunchError("No backup was named.", "make restore FROM=FILE")
    make_folders(config)
    with _at_hand(config, source) as path:
        with step("Checking the backup") as line:
            facts = verify(path, line.news)
            check(config, facts)
        try:
            with only_one(config):
                stop_leftovers(config)
                aside = _put_in_place(config, path, replace=replace, ready=ready)
                if facts["volumes"]:
                    _fill_volumes(config, path, ready=ready)
        except AlreadyRunning:
            raise LaunchError(
                f"Alight runs with {config.home}.", "make down, then run it again."
            ) from None
    count = len(facts["files"])
    say(f"Restored {count} files of {facts['made_at']} to {config.home}.")
    for one in aside:
        say(f"  What was there before: {one}")
    say("  Start it now." if ready else "  Start it: make up")
    return 0


@contextmanager
def _at_hand(config: Config, source: str) -> Iterator[Path]:
    """The backup as a file: it is read twice, so what comes by a pipe is put down."""
    if source != STREAM:
        yield Path(source).expanduser().absolute()
        return
    with tempfile.NamedTemporaryFile(dir=config.home, prefix=".restoring-") as file:
        shutil.copyfileobj(sys.stdin.buffer, file, 1024 * 1024)
        file.flush()
        yield Path(file.name)


def check(config: Config, facts: Facts) -> None:
    """Whether this code can read it, and this key open it. Raises LaunchError."""
    for app in _APPS:
        for name in facts["migrations"].get(app, ()):
            if not (config.root / app / "migrations" / f"{name}.py").is_file():
                raise LaunchError(
                    f"The backup is of a newer Alight than this code ({app} {name}).",
                    "Take the newer code (git pull), then run it again.",
                )
    key = given_key(config)
    if key is None and facts["key_in"] == "settings":
        raise LaunchError(
            "The backup does not hold its secret key, which was in the settings.",
            "Give the same one: make restore ALIGHT_SECRET_KEY_FILE=…",
        )
    if key is not None and fingerprint(key) != facts["key"]:
        raise LaunchError(
            "The secret key in the settings is not the backup's: no secret in it "
            "could be opened.",
            "Give the one it was made with, or none, where the backup holds it.",
        )


# --- Files -------------------------------------------------------------------


def _put_in_place(
    config: Config, path: Path, *, replace: bool, ready: bool
) -> list[Path]:
    """Unpack beside, then change places. What was there before, under its new name."""
    places = places_of(config)
    if places.postgres is None and places.database.exists() and not replace:
        raise LaunchError(
            f"{config.home} holds an installation already.",
            "Give another ALIGHT_HOME; or, to put the backup in its place: make "
            f"restore REPLACE=1 FROM={path}. What is there is set aside, not deleted.",
        )
    _check_room(config, path)
    _check_folders(places)
    fresh = Fresh(places)
    try:
        with step("Unpacking"):
            for name, content in members(path):
                if not name.startswith(f"{VOLUMES}/"):
                    fresh.unpack(name, content)
            _number_on(fresh.of(DATABASE))
        if places.postgres:
            _fill_postgres(config, fresh, replace=replace, ready=ready)
        return _exchange(config, places, fresh)
    finally:
        fresh.forget()


def _exchange(config: Config, places: Places, fresh: "Fresh") -> list[Path]:
    """What was there before gets another name, and what is new its own: all, or none.
    The former under its new name."""
    mark = time.strftime("before-%Y%m%d-%H%M%S")
    aside = [
        (path.with_name(path.name + tail), path.with_name(f"{path.name}.{mark}{tail}"))
        for path, tails in _before(config, places)
        for tail in tails
        if path.with_name(path.name + tail).exists()
    ]
    done: list[tuple[Path, Path]] = []
    try:
        for now, then in [*aside, *fresh.ready()]:
            now.rename(then)
            done.append((now, then))
    except BaseException as error:
        for now, then in reversed(done):
            then.rename(now)
        if not isinstance(error, OSError):
            raise
        kept = "The database has the backup’s rows, the" if places.postgres else "The"
        raise LaunchError(
            f"{now} cannot change its place: {error.strerror}.",
            f"{kept} files are as they were. Mend it, then run it again with "
            "REPLACE=1.",
        ) from error
    return [kept for _, kept in aside if not _was_empty(kept)]


def _was_empty(folder: Path) -> bool:
    """Then it is gone: there is nothing to keep."""
    if not folder.is_dir() or any(folder.iterdir()):
        return False
    folder.rmdir()
    return True


def _fill_postgres(
    config: Config, fresh: "Fresh", *, replace: bool, ready: bool
) -> None:
    """From here on the file's rows are the PostgreSQL's, all or none."""
    if not ready:
        install(config, find_missing(config, engine_answers=look_for_engine(config)))
    with tempfile.TemporaryDirectory(prefix="alight-") as home:
        database_file(config, "write", fresh.take(DATABASE), replace=replace, home=home)


class Fresh:
    """Files on their way, each on the disk where it will be."""

    def __init__(self, places: Places) -> None:
        self._final = {DATABASE: places.database, **places.keys, **places.folders}
        self._all = tuple(self._final.values())
        self._made: dict[str, Path] = {}
        self.forget()

    def of(self, name: str) -> Path:
        """The path of a member before it is settled."""
        head, _, rest = name.partition("/")
        place = _beside(self._final[head])
        self._made.setdefault(head, place)
        return place / rest if rest else place

    def take(self, name: str) -> Path:
        """Its path, for whoever uses it up: it gets no place of its own."""
        self._final.pop(name)
        return self._made[name]

    def unpack(self, name: str, content: IO[bytes]) -> None:
        path = self.of(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as out:
            shutil.copyfileobj(content, out, 1024 * 1024)
            out.flush()
            os.fsync(out.fileno())

    def ready(self) -> list[tuple[Path, Path]]:
        """What was unpacked, and where it belongs."""
        return [
            (self._made[head], final)
            for head, final in self._final.items()
            if head in self._made
        ]

    def forget(self) -> None:
        """What did not get its place; also what one left that was killed."""
        for place in map(_beside, self._all):
            if place.is_dir():
                shutil.rmtree(place, ignore_errors=True)
            else:
                place.unlink(missing_ok=True)


def _beside(final: Path) -> Path:
    return final.with_name(f".{final.name}.restoring")


def _before(config: Config, places: Places) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """All that belongs to the installation that was here, and what may follow each
    name: SQLite looks beside a database for what is not in it yet."""
    if places.postgres is None:
        yield places.database, ("", "-wal", "-shm")
    for path in (*places.keys.values(), *places.folders.values()):
        yield path, ("",)
    # Messages and news of what is no more.
    yield config.home / "valkey", ("",)


def _number_on(database: Path) -> None:
    with closing(sqlite3.connect(database)) as link, link:
        link.execute(
            "update sqlite_sequence set seq = seq + ? where name = 'replicas_replica'",
            (_AHEAD,),
        )


def _check_room(config: Config, path: Path) -> None:
    needed = path.stat().st_size + _MARGIN
    free = shutil.disk_usage(config.home).free
    if free < needed:
        raise LaunchError(
            f"{config.home} has {free >> 20} MB left; {needed >> 20} MB are needed.",
            "Free some space, or set ALIGHT_HOME to a folder on another disk.",
        )


def _check_folders(places: Places) -> None:
    """Before anything is changed: what cannot get another name."""
    for name, folder in places.folders.items():
        if folder.is_mount():
            setting = FOLDERS[name]
            raise LaunchError(
                f"{folder} is where a disk is mounted: it cannot be set aside.",
                f"Name a folder on that disk, such as {setting}={folder / name}, and "
                "move there what is to be kept; then run it again.",
            )


# --- Volumes -----------------------------------------------------------------


def _fill_volumes(config: Config, path: Path, *, ready: bool) -> None:
    """Put every volume's files where the engine keeps them."""
    if not ready:
        missing = find_missing(config, engine_answers=look_for_engine(config))
        install(config, missing)
        ensure_engine(config, just_installed="docker.io" in missing.needed)
    filling: _Filling | None = None
    with step("Filling volumes") as line:
        try:
            for name, content in members(path):
                head, _, rest = name.partition("/")
                if head != VOLUMES:
                    continue
                volume = rest.rpartition("/")[0]
                if filling is None or filling.volume != volume:
                    if filling:
                        filling.end()
                    line.news(volume)
                    filling = _Filling(config, volume)
                filling.write(content)
        finally:
            if filling:
                filling.end()


class _Filling:
    """One volume, by the program that knows the engine."""

    def __init__(self, config: Config, volume: str) -> None:
        self.volume = volume
        self._ended = False
        self._process = subprocess.Popen(
            [str(config.python), "manage.py", "volume_files", "write", volume],
            cwd=config.root,
            env=dict(config.env),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def write(self, content: IO[bytes]) -> None:
        assert self._process.stdin is not None
        try:
            shutil.copyfileobj(content, self._process.stdin, 1024 * 1024)
        except BrokenPipeError:
            self.end()

    def end(self) -> None:
        """Raises LaunchError when it did not take them."""
        if self._ended:
            return
        self._ended = True
        _, said = self._process.communicate()
        if self._process.returncode:
            text = said.decode(errors="replace").strip()[-300:]
            raise LaunchError(
                f"Volume {self.volume} could not be filled: {text}",
                "The rest is restored. See make doctor, then run it again with "
                "REPLACE=1.",
            )
