"""Build contexts: folders of the catalogue that the engine builds images from.

The image's tag carries the digest of its context. So an image that is there is the
right one, and a changed file builds a new one beside it.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from docker.utils.build import exclude_paths

from replicas.engine import names
from replicas.engine.base import BuildFailed

# Of every file: its name, size, time of change in ns, and mode.
Signature = tuple[tuple[str, int, int, int], ...]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_IGNORE = ".dockerignore"


def resolve(image: str, build: str) -> str:
    """The reference to create containers from: for a build, the tag of its context.

    Raises BuildFailed when the catalogue has no such context.
    """
    return names.build_tag(image, build_digest(build)) if build else image


def build_digest(build: str) -> str:
    """64 hex digits that change with any file of the context."""
    root = _folder(build)
    return _digest(root, _signature(root))


def pack(build: str) -> bytes:
    """The context as a tar. The same files give the same bytes."""
    root = _folder(build)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in _files(root):
            _add(tar, root / name, name)
    return buffer.getvalue()


def _folder(build: str) -> Path:
    root = settings.BASE_DIR / "templates_app" / "catalogue" / "builds" / build
    if not _NAME.fullmatch(build) or not (root / "Dockerfile").is_file():
        raise BuildFailed(
            f"The catalogue has no build context “{build}”. Name one of the folders "
            "in templates_app/catalogue/builds."
        )
    return root


def _files(root: Path) -> list[str]:
    ignore = root / _IGNORE
    patterns = ignore.read_text().splitlines() if ignore.is_file() else []
    used = [line for line in patterns if line.strip() and not line.startswith("#")]
    found = exclude_paths(str(root), [*used, "**/__pycache__"])
    return sorted(name for name in found if (root / name).is_file())


def _signature(root: Path) -> Signature:
    """Cheap to take, and different after any change: contents are hashed once."""
    stats = [(name, (root / name).stat()) for name in _files(root)]
    return tuple((name, st.st_size, st.st_mtime_ns, st.st_mode) for name, st in stats)


@lru_cache(maxsize=64)
def _digest(root: Path, signature: Signature) -> str:
    whole = hashlib.sha256()
    for name, *_ in signature:
        path = root / name
        inner = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{name}\0{_mode(path):o}\0{inner}\n".encode())
    return whole.hexdigest()


def _mode(path: Path) -> int:
    return 0o755 if path.stat().st_mode & 0o100 else 0o644


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    content = path.read_bytes()
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), _mode(path)
    tar.addfile(entry, io.BytesIO(content))
