"""One file that holds an installation: a plain tar, and what it must hold at its end.

    database.sqlite3          one moment of the database
    secret_key, …             the files of the home that open and name everything
    replica-logs/…, async/…   every attempt's log; requests that are answered later
    volumes/NAME/000001 …     a volume's own tar, in pieces, since nobody knows its size
    manifest.json             facts, and size and SHA-256 of everything before it

A backup that was cut short has no manifest and is refused.
"""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from launcher.errors import LaunchError

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "database.sqlite3"
VOLUMES = "volumes"
_PIECE = 8 * 1024 * 1024
_BLOCK = 1024 * 1024

Facts = dict[str, Any]


class Writer:
    """Adds members in order; `finish` writes the manifest."""

    def __init__(self, out: IO[bytes]) -> None:
        self._tar = tarfile.TarFile(fileobj=out, mode="w", format=tarfile.PAX_FORMAT)
        self._files: list[Facts] = []
        self.bytes = 0

    def add(self, name: str, path: Path) -> None:
        """The file as long as it is now: what is appended meanwhile stays out, and
        what is cut off meanwhile reads as zeros."""
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= _BLOCK:
                # At once: it is as long as it was then.
                data = file.read(size)
                self._add(name, io.BytesIO(data), len(data))
            else:
                self._add(name, file, size)

    def add_stream(self, name: str, stream: IO[bytes]) -> None:
        """In members NAME/000001, NAME/000002, … of 8 MB."""
        number = 0
        while piece := _read_fully(stream, _PIECE):
            number += 1
            self._add(f"{name}/{number:06d}", io.BytesIO(piece), len(piece))

    def finish(self, facts: Facts) -> None:
        told = {"format": FORMAT, **facts, "files": self._files}
        text = json.dumps(told, indent=1).encode()
        self._tar.addfile(_entry(MANIFEST, len(text)), io.BytesIO(text))
        self._tar.close()

    def _add(self, name: str, file: IO[bytes], size: int) -> None:
        reader = _Hashing(file)
        self._tar.addfile(_entry(name, size), reader)  # type: ignore[arg-type]
        digest = reader.digest.hexdigest()
        self._files.append({"name": name, "size": size, "sha256": digest})
        self.bytes += size


class _Hashing:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._file.read(size).ljust(size, b"\0")
        self.digest.update(data)
        return data


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry


def _read_fully(stream: IO[bytes], size: int) -> bytes:
    """`size` bytes, fewer only at the end: a pipe gives less at a time."""
    parts: list[bytes] = []
    while size and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


# --- Reading -----------------------------------------------------------------


def verify(path: Path, news: Callable[[str], None]) -> Facts:
    """Read all of it; the manifest, once everything is as that says.

    Raises LaunchError.
    """
    sums: dict[str, tuple[int, str]] = {}
    facts: Facts | None = None
    try:
        with tarfile.open(path, mode="r:") as tar:
            for entry in tar:
                if entry.name == MANIFEST:
                    facts = json.loads(_content(tar, entry).read())
                    continue
                news(entry.name)
                sums[entry.name] = (entry.size, _sum(_content(tar, entry)))
    except FileNotFoundError:
        raise LaunchError(
            f"There is no {path}.", "Name a backup: make restore FROM=FILE"
        ) from None
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise _unusable(path, f"it cannot be read ({error})") from error
    if facts is None:
        raise _unusable(path, "its end is missing")
    if facts.get("format") != FORMAT:
        raise LaunchError(
            f"{path} was made by a newer Alight.",
            "Take the newer code (git pull), then run it again.",
        )
    _compare(path, facts, sums)
    return facts


def _compare(path: Path, facts: Facts, sums: dict[str, tuple[int, str]]) -> None:
    listed = {f["name"]: (f["size"], f["sha256"]) for f in facts["files"]}
    for name in listed.keys() | sums.keys():
        if not is_safe(name):
            raise _unusable(path, f"{name!r} leads out of it")
        if listed.get(name) != sums.get(name):
            raise _unusable(path, f"{name} is not what was put in")


def is_safe(name: str) -> bool:
    """Whether a member's name stays below the folder it is unpacked in."""
    parts = name.split("/")
    return bool(name) and not ({"", ".", ".."} & set(parts)) and "\\" not in name


def members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Every member but the manifest, in order, of a backup that was verified."""
    with tarfile.open(path, mode="r:") as tar:
        for entry in tar:
            if entry.name != MANIFEST:
                yield entry.name, _content(tar, entry)


def _content(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    found = tar.extractfile(entry) if entry.isreg() else None
    if found is None:
        raise tarfile.TarError(f"{entry.name} is no plain file")
    return found


def _sum(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def _unusable(path: Path, why: str) -> LaunchError:
    return LaunchError(
        f"{path} is not a whole backup: {why}. Nothing was changed.",
        "Take another copy of it, or another backup.",
    )
