"""What Alight needs from apt and from PyPI: find what is missing, install that."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.config import Config, on_terminal
from launcher.errors import LaunchError
from launcher.show import run_logged, say

# Programs of distributions that are not always on a user's path.
PROGRAM_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


@dataclass(frozen=True)
class Missing:
    """What has to be installed. Empty means: nothing."""

    # apt packages nothing works without, and those that only make it nicer.
    needed: tuple[str, ...] = ()
    nice: tuple[str, ...] = ()
    # Requirement files the virtual environment does not match.
    requirements: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.needed or self.nice or self.requirements)


def program(name: str) -> str | None:
    return shutil.which(name, path=PROGRAM_PATH)


def find_missing(
    config: Config,
    *,
    engine_answers: bool,
    requirements: Sequence[str] = ("requirements.txt",),
    browser: bool = False,
    more: Sequence[str] = (),
) -> Missing:
    """more: Debian packages that are missing as well."""
    needed = []
    if not engine_answers and not program("dockerd"):
        needed += ["docker.io", "ca-certificates"]
        if _apparmor_is_on() and not program("apparmor_parser"):
            needed.append("apparmor")
    if not program("haproxy"):
        needed.append("haproxy")
    if not config.python.exists() and not _has_ensurepip():
        needed.append("python3-venv")
    if browser and not program("chromium"):
        needed.append("chromium")
    if browser and not program("busybox"):
        needed.append("busybox-static")  # tests make tiny images of it
    if browser and not program("nft"):
        needed.append("nftables")  # tests put the rules around replicas up with it, too
    if browser and not program("openssl"):
        needed.append("openssl")  # tests make a certificate with it
    nice = []
    if config.domain == "localhost" and not resolves_localhost_names():
        nice.append("libnss-myhostname")
    stale = (config.root / name for name in requirements)
    return Missing(
        needed=(*needed, *more),
        nice=tuple(nice),
        requirements=tuple(path for path in stale if not is_stamped(config, path)),
    )


def resolves_localhost_names(nsswitch: Path = Path("/etc/nsswitch.conf")) -> bool:
    """Whether the system's resolver answers name.localhost, not only browsers do."""
    try:
        lines = nsswitch.read_text().splitlines()
    except OSError:
        return False
    hosts = [line.split()[1:] for line in lines if line.startswith("hosts:")]
    return any({"myhostname", "resolve"} & set(words) for words in hosts)


def install(config: Config, missing: Missing) -> None:
    """Say what will be installed, then do it."""
    if not missing:
        return
    say("To install:")
    if missing.needed or missing.nice:
        say(f"  with apt: {', '.join(missing.needed + missing.nice)}")
    for path in missing.requirements:
        count = sum(1 for line in path.read_text().splitlines() if "==" in line)
        say(f"  in {config.venv}: {count} Python packages of {path.name}")
    say()
    if missing.needed or missing.nice:
        _apt(config, missing)
    for path in missing.requirements:
        _pip(config, path)


# --- apt ---------------------------------------------------------------------


def _apt(config: Config, missing: Missing) -> None:
    try:
        apt_install(config, missing.needed + missing.nice)
    except LaunchError:
        if missing.needed:
            raise
        say(
            f"  {', '.join(missing.nice)} could not be installed: browsers and curl "
            "find name.localhost, other programs may not."
        )


def apt_install(config: Config, packages: Sequence[str]) -> None:
    """Install Debian packages. Raises LaunchError with what to do."""
    wanted = " ".join(packages)
    if not program("apt-get"):
        raise LaunchError(
            f"These are missing and there is no apt-get here: {wanted}.",
            "Install them with this system's own package manager, then run it again.",
        )
    by_hand = f"sudo apt-get update && sudo apt-get install {wanted}"
    todo = (
        "Look at the lines above. Most often the package mirror cannot be reached or "
        f"the disk is full. When that is mended, run it again, or by hand: {by_hand}"
    )
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    apt = [*as_root(by_hand), "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    run_logged(
        "Reading the package lists",
        [*apt, "update"],
        log=config.logs / "apt-update.log",
        todo=todo,
        env=env,
    )
    run_logged(
        f"Installing {wanted}",
        [*apt, "install", "-y", "--no-install-recommends", *packages],
        log=config.logs / "apt-install.log",
        todo=todo,
        env=env,
    )


def as_root(by_hand: str) -> list[str]:
    """What to put before a command that only root may run."""
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        raise LaunchError(
            "This step needs root, and there is no sudo here.",
            f"Run as root: {by_hand.replace('sudo ', '')}",
        )
    keep = ["DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"]
    # Without a terminal sudo could only wait for a password that never comes.
    if not on_terminal():
        if subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode:
            raise LaunchError(
                "This step needs root, and sudo asks for a password.",
                f"Run by hand, then run this again: {by_hand}",
            )
        return ["sudo", "-n", "env", *keep]
    if subprocess.run(["sudo", "-v"]).returncode:
        raise LaunchError(
            "This step needs root, and sudo refused.",
            f"Ask who looks after this machine to run: {by_hand}",
        )
    return ["sudo", "env", *keep]


def _apparmor_is_on() -> bool:
    try:
        flag = Path("/sys/module/apparmor/parameters/enabled").read_text()
    except OSError:
        return False
    return flag.startswith("Y")


# --- Python ------------------------------------------------------------------


def _has_ensurepip() -> bool:
    """Whether this Python can make a virtual environment with pip in it."""
    test = [sys.executable, "-c", "import ensurepip, venv"]
    return subprocess.run(test, capture_output=True).returncode == 0


def _stamp(config: Config, requirements: Path) -> Path:
    return config.venv / f".{requirements.name}.sha256"


def _fingerprint(requirements: Path) -> str:
    return hashlib.sha256(requirements.read_bytes()).hexdigest()


def is_stamped(config: Config, requirements: Path) -> bool:
    """Whether the environment was made from exactly this file."""
    try:
        stamp = _stamp(config, requirements).read_text()
    except OSError:
        return False
    return stamp == _fingerprint(requirements) and config.python.exists()


def _pip(config: Config, requirements: Path) -> None:
    log = config.logs / "pip.log"
    todo = (
        "Look at the lines above. Most often PyPI cannot be reached (behind a proxy "
        "set https_proxy; for a mirror set PIP_INDEX_URL) or the disk is full. Then "
        "run it again: it goes on where it stopped."
    )
    # A link to a Python that an upgrade removed looks like a missing file.
    if not config.python.exists():
        run_logged(
            "Making the virtual environment",
            [sys.executable, "-m", "venv", "--clear", str(config.venv)],
            log=config.logs / "venv.log",
            todo="Install python3-venv for this Python, then run it again.",
        )
    pip = [str(config.python), "-m", "pip", "--disable-pip-version-check"]
    run_logged(
        f"Installing the Python packages of {requirements.name}",
        [*pip, "install", "--no-input", "-r", str(requirements)],
        log=log,
        todo=todo,
    )
    _stamp(config, requirements).write_text(_fingerprint(requirements))
