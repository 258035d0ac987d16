"""A tiny image made on the spot: one static busybox, no registry needed."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from docker import APIClient

# Of this process alone, so that test runs side by side do not meet.
REFERENCE = f"alight-test/tiny:{os.getpid()}"
_SHELLS = (
    "sh",
    "cat",
    "echo",
    "sleep",
    "httpd",
    "nc",
    "printf",
    "head",
    "tr",
    "yes",
    "mkdir",
    "dirname",
)


class NoBusybox(Exception):
    """The tests need Debian's package busybox-static."""


def busybox() -> Path:
    """A busybox that needs no library. Raises NoBusybox with what to do."""
    for place in (shutil.which("busybox"), "/bin/busybox", "/usr/bin/busybox"):
        if place and Path(place).is_file() and _is_static(Path(place)):
            return Path(place)
    raise NoBusybox("Install it with “apt-get install busybox-static”.")


def _is_static(path: Path) -> bool:
    asked = subprocess.run(["ldd", str(path)], capture_output=True, text=True)
    return "not a dynamic executable" in asked.stdout + asked.stderr


def rootfs(note: bytes = b"") -> bytes:
    """A file system as a tar: busybox, its links, and the folders programs expect.

    Another `note` makes another layer, which no engine has already.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("bin", "tmp", "proc", "dev", "www", "data"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o777
            tar.addfile(entry)
        program = busybox().read_bytes()
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(program), 0o755
        tar.addfile(entry, io.BytesIO(program))
        for name in _SHELLS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "/bin/busybox"
            tar.addfile(link)
        entry = tarfile.TarInfo("www/note")
        entry.size = len(note)
        tar.addfile(entry, io.BytesIO(note))
        page = b"hello from a tiny container\n"
        entry = tarfile.TarInfo("www/index.html")
        entry.size, entry.mode = len(page), 0o644
        tar.addfile(entry, io.BytesIO(page))
    return buffer.getvalue()


def ensure(client: APIClient, reference: str = REFERENCE) -> str:
    """Import the image unless it is there, and return its reference."""
    if not client.images(name=reference):
        name, _, tag = reference.partition(":")
        said = client.import_image_from_data(
            rootfs(),
            repository=name,
            tag=tag,
            changes=["EXPOSE 8080/tcp", 'CMD ["sleep", "3600"]', "ENV PATH=/bin"],
        )
        for line in said.splitlines():
            if "error" in json.loads(line):
                raise RuntimeError(line)
    return reference


def forget() -> None:
    """Take the image away again, after the last test that uses it."""
    client = APIClient(version="auto")
    try:
        if client.images(name=REFERENCE):
            client.remove_image(REFERENCE, force=True)
    finally:
        client.close()
