"""Containers that Alight runs for itself, and the image they are made of. Pure.

The image is put together from a few files of this folder and imported, so it needs no
registry and no other image. Its tag is the digest of its files.

A helper carries the installation's label and its role. It is never a replica.
"""

from __future__ import annotations

import hashlib
import io
import secrets
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

from replicas.engine import names

GPUS, ARCHIVE, NETWORK, REAPER = "gpus", "archive", "network", "reaper"
# Where the volume is in a helper that reads one.
PLACE = "/volume"
# The file of a helper's program, by the machine's name in the engine's words.
_PROGRAMS = {name: f"gpulist-{name}" for name in ("x86_64", "aarch64")}
_HOME = Path(__file__).parent / "gpulist"
# What NVIDIA's hook expects to find when it mounts the driver: "ldconfig" writes there.
_FOLDERS = ("etc", "proc", "dev", "sys", "tmp", "usr", "usr/bin", "usr/lib", "volume")
_LOADER = "etc/ld.so.conf"
# In a helper that runs the machine's own programs, the machine's files are here.
MACHINE = "/host"
_LINKS = ("bin", "lib", "lib32", "lib64", "sbin", "usr", "etc/alternatives")


@cache
def image() -> tuple[str, str]:
    """The image's name and tag."""
    return "alight/helper", hashlib.sha256(pack()).hexdigest()[:12]


def reference() -> str:
    return ":".join(image())


@cache
def pack() -> bytes:
    """Its files as a tar. The same files give the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in _FOLDERS:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        tar.addfile(tarfile.TarInfo(_LOADER))
        for name in _PROGRAMS.values():
            content = (_HOME / name).read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@cache
def machine_image() -> tuple[str, str]:
    """The image of helpers that run the machine's own programs."""
    return "alight/helper", f"machine-{hashlib.sha256(machine_pack()).hexdigest()[:12]}"


@cache
def machine_pack() -> bytes:
    """Nothing but links to where the machine's programs and libraries will be."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("etc", "host", "proc", "dev", "sys", "run", "tmp"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for path in _LINKS:
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, f"{MACHINE}/{path}"
            tar.addfile(entry)
    return buffer.getvalue()


def name(installation: str, role: str) -> str:
    """Another one each time: helpers of one role may run side by side."""
    return names.helper_name(installation, role, secrets.token_hex(4))


def labels(installation: str, role: str) -> dict[str, str]:
    return {names.INSTALLATION: installation, names.ROLE: role}


def lists_gpus(installation: str, machine: str) -> dict[str, Any] | None:
    """Body of a create call: it writes what its GPUs are, then ends.

    None when there is no program for such a machine.
    """
    program = _PROGRAMS.get(machine)
    if program is None:
        return None
    body = _body(installation, GPUS, program)
    body["HostConfig"]["DeviceRequests"] = [
        {"Driver": "nvidia", "Count": -1, "Capabilities": [["gpu", "utility"]]}
    ]
    return body


def holds_volume(
    installation: str, volume: str, *, writable: bool = False
) -> dict[str, Any]:
    """Body of a create call: it never starts, so its files can be read, or written."""
    body = _body(installation, ARCHIVE, _PROGRAMS["x86_64"])
    body["HostConfig"]["Mounts"] = [
        {
            "Type": "volume",
            "Source": volume,
            "Target": PLACE,
            "ReadOnly": not writable,
            # Copying from the image would write to it.
            "VolumeOptions": {
                "NoCopy": True,
                "Labels": {names.INSTALLATION: installation},
            },
        }
    ]
    return body


def in_network(installation: str, script: str) -> dict[str, Any]:
    """Body of a create call: it runs a shell script with the machine's own programs,
    in the machine's network, may change that, and may write no file."""
    body = _body(installation, NETWORK, "bin/sh")
    del body["NetworkDisabled"]
    body["Image"] = ":".join(machine_image())
    # In one stream: the engine tells two in no certain order.
    body["Cmd"] = ["-c", f"exec 2>&1\n{script}"]
    body["HostConfig"] |= {
        "NetworkMode": "host",
        "CapAdd": ["NET_ADMIN", "NET_RAW"],
        # The machine's own rights, also where the engine gives containers others.
        "UsernsMode": "host",
        "SecurityOpt": ["no-new-privileges", "label=disable"],
        "Mounts": [
            *_programs(),
            # Programs that change the packet filter lock a file there.
            _of_machine("/run", "/run", read_only=False),
        ],
    }
    return body


# Only what a shell has of itself, but for the pause. A process that has been killed may
# be there for a moment, and with it its address.
_REAP = """\
exec 2>&1
round=0
while [ "$round" -lt 50 ]; do
  found=
  for place in /proc/[0-9]*; do
    pid=${place#/proc/}
    while read -r line; do
      case "$line" in *"$1"*)
        found=yes
        if kill -9 "$pid" && [ "$round" = 0 ]; then echo "$pid"; fi
        break
      esac
    done < "$place/cgroup"
  done 2> /dev/null
  [ -z "$found" ] && exit
  round=$((round + 1))
  sleep 0.1
done
echo "Some did not end."
exit 1
"""


def reaps(installation: str, container_id: str) -> dict[str, Any]:
    """Body of a create call: it kills every process of that container, whatever the
    engine knows of it, and writes their pids."""
    body = _body(installation, REAPER, "bin/sh")
    body["Image"] = ":".join(machine_image())
    body["Cmd"] = ["-c", _REAP, "reaper", container_id]
    body["HostConfig"] |= {
        "PidMode": "host",
        "CapAdd": ["KILL"],
        "UsernsMode": "host",
        # A profile would keep its signals to processes of the same profile.
        "SecurityOpt": ["no-new-privileges", "label=disable", "apparmor=unconfined"],
        "Mounts": _programs(),
    }
    return body


def _programs() -> list[dict[str, Any]]:
    """The machine's files; /usr by itself, as it may be another disk."""
    places = {"/": MACHINE, "/usr": f"{MACHINE}/usr"}
    return [_of_machine(*place, read_only=True) for place in places.items()]


def _of_machine(source: str, target: str, *, read_only: bool) -> dict[str, Any]:
    """That file system alone. With what is mounted below it the helper would hold the
    networks of all containers, and where its engine is killed it stays: so do their
    addresses, then.
    """
    return {
        "Type": "bind",
        "Source": source,
        "Target": target,
        "ReadOnly": read_only,
        "BindOptions": {"NonRecursive": True},
    }


def _body(installation: str, role: str, program: str) -> dict[str, Any]:
    return {
        "Image": reference(),
        "Entrypoint": [f"/{program}"],
        "Cmd": [],
        "Labels": labels(installation, role),
        "NetworkDisabled": True,
        "HostConfig": {
            "NetworkMode": "none",
            "RestartPolicy": {"Name": "no"},
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "PidsLimit": 16,
            # Whatever the engine's own choice is, this one can be read back.
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
        },
    }
