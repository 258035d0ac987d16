"""The files HAProxy starts from, and the lock that lets one writer in at a time.

They are written before HAProxy starts and after each change, so that a HAProxy that is
started again by itself comes back as it was.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from endpoints.ingress import config
from endpoints.ingress.answers import answers_map
from endpoints.ingress.base import Route
from endpoints.ingress.routes import (
    MAPS,
    UPSTREAMS,
    WAYS,
    Draft,
    Place,
    Tables,
    empty_tables,
    slot_name,
    slots_of,
)
from endpoints.ingress.setup import Setup

CONFIG = "haproxy.cfg"
# The worker vouches for the files at each sweep; after this they may name addresses
# that belong to somebody else by now.
_TRUSTED_SECONDS = 30


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One writer at a time, among all threads and processes of this installation."""
    make_folder(folder)
    with (folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def make_folder(folder: Path) -> None:
    """The folder, for its owner only: it holds the runtime socket."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


def write_all(setup: Setup, routes: Sequence[Route]) -> None:
    """Every file for these routes, for a HAProxy that is about to start.

    Places that the last run left are kept while somebody vouched for them just now:
    then only HAProxy was away.
    """
    with locked(setup.folder):
        tables, places = _remembered(setup)
        draft = Draft(tables)
        listed = {route.name for route in routes}
        for name, slot in dict(draft.slots).items():
            if name not in listed:
                draft.forget(name, places.pop(slot, ()))
        for route in routes:
            draft.describe(route, draft.slot_for(route.name, setup.slots))
        _write(setup.folder / "answers.map", answers_map(setup.console_url))
        write_state(setup, draft.tables, places)


def write_state(
    setup: Setup, tables: Tables, places: Mapping[str, Sequence[Place]]
) -> None:
    """All maps and the configuration, where they differ."""
    for table in MAPS:
        write_map(setup.folder, table, tables[table])
    _write(setup.folder / CONFIG, config.render(setup, places))


def write_map(folder: Path, table: str, rows: Mapping[str, str]) -> None:
    _write(folder / table, "".join(f"{key} {value}\n" for key, value in rows.items()))


def write_slots(setup: Setup, places: Mapping[str, Sequence[Place]]) -> None:
    """Change these slots in the configuration, and leave the rest of it alone."""
    path = setup.folder / CONFIG
    text = path.read_text()
    for slot, servers in places.items():
        section = config.slot_section(slot, setup.servers, servers)
        text = config.replace_slot(text, slot, section)
    _write(path, text)


def vouch(setup: Setup) -> None:
    """Say that the configuration is what the ingress holds at this moment."""
    os.utime(setup.folder / CONFIG)


def _remembered(setup: Setup) -> tuple[Tables, dict[str, list[Place]]]:
    """What the files say, if it can still be trusted and fits; else nothing."""
    path = setup.folder / CONFIG
    try:
        trusted = time.time() - path.stat().st_mtime < _TRUSTED_SECONDS
        places = config.places_in(path.read_text()) if trusted else {}
        tables = empty_tables()
        for table in (WAYS, UPSTREAMS) if places else ():
            lines = (setup.folder / table).read_text().splitlines()
            tables[table] = dict(line.split(" ", 1) for line in lines)
    except FileNotFoundError:
        return empty_tables(), {}
    room = {slot_name(index) for index in range(setup.slots)}
    most = max((len(servers) for servers in places.values()), default=0)
    if most > setup.servers or not room.issuperset(slots_of(tables[WAYS]).values()):
        return empty_tables(), {}
    return tables, places


def _write(path: Path, text: str) -> None:
    """Whole or not at all: HAProxy may be starting at this moment."""
    if path.exists() and path.read_text() == text:
        return
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.chmod(0o600)
    new.replace(path)
