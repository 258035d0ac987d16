"""Settings from the environment, read strictly: a typo stops the start, loudly."""

import ipaddress
import os
from pathlib import Path

from launcher.database import given


class BadSetting(Exception):
    """An environment variable holds something that cannot be used."""


def envstr(name: str, default: str) -> str:
    return os.environ.get(name, default)


def envint(name: str, default: int) -> int:
    raw = os.environ.get(name, "")
    if not raw:
        return default
    try:
        return int(raw)
    except ValueError:
        raise BadSetting(f'{name} must be a whole number, not "{raw}".') from None


def envbool(name: str, *, default: bool) -> bool:
    raw = os.environ.get(name, "")
    if not raw:
        return default
    if raw.lower() in {"1", "true", "yes"}:
        return True
    if raw.lower() in {"0", "false", "no"}:
        return False
    raise BadSetting(f'{name} must be true or false, not "{raw}".')


def envchoice(name: str, choices: list[str], usual: str = "") -> str:
    """One of these words; `usual`, else the first, when nothing is given."""
    raw = os.environ.get(name, "") or usual or choices[0]
    if raw not in choices:
        raise BadSetting(f'{name} must be {" or ".join(choices)}, not "{raw}".')
    return raw


def envlist(name: str, default: list[str]) -> list[str]:
    raw = os.environ.get(name, "")
    return [part.strip() for part in raw.split(",") if part.strip()] or default


def envnetworks(name: str, *, ports: bool = False) -> list[str]:
    """Addresses and networks by commas; with `ports` each may end in one.

    "10.0.0.5", "10.0.0.0/8", "10.0.0.5:443", "fd00::/8", "[fd00::5]:443".
    """
    given = envlist(name, [])
    for text in given:
        if not _is_network(text, ports=ports):
            example = "10.0.0.5:443 or 192.168.3.0/24" if ports else "198.51.100.0/24"
            raise BadSetting(f'{name} has "{text}". Write it as {example}.')
    return given


def _is_network(text: str, *, ports: bool) -> bool:
    address, port = text, "1"
    if ports and text.startswith("["):
        address, _, port = text[1:].partition("]:")
    elif ports and text.count(":") == 1:
        address, _, port = text.partition(":")
    try:
        ipaddress.ip_network(address, strict=False)
    except ValueError:
        return False
    return port.isascii() and port.isdigit() and 0 < int(port) < 65536


def envfiled(name: str) -> str:
    """The variable, or the content of the file `NAME_FILE` names; "" without both."""
    try:
        return given(os.environ, name)
    except ValueError as error:
        raise BadSetting(str(error)) from None


def envsecret(name: str, fallback: Path) -> str:
    """The variable, or the file `NAME_FILE` names, or `fallback`'s content.

    `fallback` is made with 50 random characters when it is missing, so that an
    embedded installation has a secret of its own from the first start.
    """
    path = envsecret_file(name, fallback)
    if path is None:
        return os.environ[name]
    if not path.is_file():
        _write_secret(path)
    return path.read_text().strip()


def envsecret_file(name: str, fallback: Path) -> Path | None:
    """The file a secret is read from; None for one that is in the variable itself."""
    if os.environ.get(name):
        return None
    named = os.environ.get(f"{name}_FILE")
    if named and not Path(named).is_file():
        raise BadSetting(f"{name}_FILE names {named}, which is not there.")
    return Path(named) if named else fallback


def envsecrets(name: str, fallback: Path) -> list[str]:
    """Secrets of the variable, by commas, or of a file, one a line; none without."""
    path = envsecret_file(name, fallback)
    if path is None:
        return envlist(name, [])
    return path.read_text().split() if path.is_file() else []


def _write_secret(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # O_EXCL decides between processes that start together; the loser reads.
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w") as file:
        file.write(os.urandom(32).hex())
