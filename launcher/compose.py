"""Docker's compose plugin, for tests: Debian 12 has none of version 2."""

import os
import subprocess
import tarfile
from pathlib import Path

from launcher import base_images
from launcher.config import Config
from launcher.errors import LaunchError
from launcher.recipes import TRIXIE
from launcher.show import step

# Debian 13's package, whose one program runs on older releases as well.
_PACKAGE = "docker-compose"
_PROGRAM = "./usr/libexec/docker/cli-plugins/docker-compose"
_FETCH = f"""
set -e
cd /tmp
apt-get -q update >&2
apt-get -q download {_PACKAGE} >&2
exec dpkg-deb --fsys-tarfile {_PACKAGE}_*.deb
"""


def is_there() -> bool:
    try:
        done = subprocess.run(["docker", "compose", "version"], capture_output=True)
    except FileNotFoundError:
        return False
    return done.returncode == 0


def ensure(config: Config) -> None:
    """Have `docker compose`, for this user alone where it was missing. Raises
    LaunchError."""
    if is_there():
        return
    base_images.have(config, TRIXIE, asked=False)
    with step("Fetching Docker's compose plugin from Debian's packages"):
        _fetch(config, plugin_path())
    if not is_there():
        raise LaunchError(
            f"{plugin_path()} is there, and docker compose does not find it.",
            "Is there a docker command on this machine? Install docker-cli.",
        )


def plugin_path() -> Path:
    folder = os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
    return Path(folder, "cli-plugins", "docker-compose")


def _fetch(config: Config, to: Path) -> None:
    words = ["docker", "--host", config.docker_host, "run", "--rm", TRIXIE.image]
    to.parent.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [*words, "sh", "-c", _FETCH], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as fetching:
        assert fetching.stdout is not None
        assert fetching.stderr is not None
        try:
            with tarfile.open(fileobj=fetching.stdout, mode="r|") as tar:
                _extract(tar, to)
        except (tarfile.TarError, KeyError) as error:
            said = fetching.stderr.read().decode(errors="replace").strip()
            raise LaunchError(
                f"{_PACKAGE} could not be fetched: {said[-300:] or error}",
                "Install Docker's compose plugin (docker-compose-plugin) by hand.",
            ) from error


def _extract(tar: tarfile.TarFile, to: Path) -> None:
    for member in tar:
        if member.name == _PROGRAM:
            program = tar.extractfile(member)
            assert program is not None
            new = to.with_suffix(".new")
            new.write_bytes(program.read())
            new.chmod(0o755)
            new.replace(to)
            # The rest is read, so that what writes it ends well.
    if not to.exists():
        raise KeyError(_PROGRAM)
