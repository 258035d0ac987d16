"""Volumes of the fake engine: files in memory."""

from __future__ import annotations

import gzip as gz
import io
import tarfile

from replicas.engine.base import EngineRefused
from replicas.engine.errors import NoVolume, volume_in_use
from replicas.engine.fake_world import World

PIECE = 64 * 1024


def remove(world: World, name: str) -> None:
    """As `Engine.remove_volume`."""
    for held in world.containers.values():
        if any(name == volume for volume, _ in held.wanted.volumes):
            raise volume_in_use(name)
    world.volumes.pop(name, None)


def pack(world: World, name: str, *, gzip: bool) -> bytes:
    """Its files as a tar, as `EngineStreams.volume_archive` gives them."""
    if name not in world.volumes:
        raise NoVolume(f"There is no volume {name} on this node.")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        root = tarfile.TarInfo("./")
        root.type, root.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(root)
        for path, content in world.volumes[name].items():
            entry = tarfile.TarInfo(f"./{path}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return gz.compress(buffer.getvalue()) if gzip else buffer.getvalue()


def unpack(world: World, name: str, packed: bytes) -> None:
    """As `EngineStreams.volume_fill`."""
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:") as tar:
            found = {
                entry.name.removeprefix("./"): file.read()
                for entry in tar
                if (file := tar.extractfile(entry)) is not None
            }
    except tarfile.TarError as error:
        raise EngineRefused(f"These are no files in a tar: {error}") from error
    world.volumes.setdefault(name, {}).update(found)
