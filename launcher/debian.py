"""What this machine tells its package clients, read when it is needed.

It goes into the local base image alone, so that apt-get and pip in a Dockerfile reach
what they reach here. None of it is in a file of this project.
"""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

NETWORK_KEYS = {"index-url", "extra-index-url", "trusted-host", "proxy", "timeout"}


@dataclass(frozen=True)
class Machine:
    """suite: Debian's name of this release. sources: file name -> apt sources of
    Debian itself. apt_conf: apt's network settings, a line each. pip_conf: a whole
    file. certificates: file name -> PEM that the administrator added."""

    suite: str
    sources: dict[str, str]
    apt_conf: tuple[str, ...]
    pip_conf: str
    certificates: dict[str, str]


def read_machine(python: Path, root: Path = Path("/")) -> Machine | None:
    """None when this is not Debian. python: the one whose pip is asked."""
    release = os_release((root / "etc/os-release").read_text())
    suite = release.get("VERSION_CODENAME", "")
    if release.get("ID") != "debian" or not suite:
        return None
    apt = root / "etc/apt"
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    added = root / "usr/local/share/ca-certificates"
    return Machine(
        suite=suite,
        sources=read_sources((path for path in files if path.is_file()), suite),
        apt_conf=network_lines(_output("apt-config", "dump")),
        pip_conf=pip_conf(_output(str(python), "-m", "pip", "config", "list")),
        certificates={p.name: p.read_text() for p in sorted(added.rglob("*.crt"))},
    )


def os_release(text: str) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name: value.strip().strip('"') for name, value in pairs}


def read_sources(files: Iterable[Path], suite: str) -> dict[str, str]:
    """Debian's own entries; repositories of others bring keys an image lacks."""
    found = {}
    for path in files:
        text = path.read_text()
        if path.suffix == ".list":
            kept = [line for line in text.splitlines() if _is_debian_line(line, suite)]
            joined = "\n".join(kept)
        elif path.suffix == ".sources":
            stanzas = re.split(r"\n\s*\n", text)
            joined = "\n\n".join(s.strip() for s in stanzas if _is_debian(s, suite))
        else:
            continue
        if joined:
            found[path.name] = joined + "\n"
    return found


def _is_debian_line(line: str, suite: str) -> bool:
    words = re.sub(r"\[.*?\]", "", line).split()
    return (
        len(words) > 3
        and words[0] == "deb"
        and not words[1].startswith(("cdrom:", "file:"))
        and _is_of(words[2], suite)
        and "main" in words[3:]
    )


def _is_debian(stanza: str, suite: str) -> bool:
    lines = (line.split(":", 1) for line in stanza.splitlines() if ":" in line)
    fields = {name.strip().lower(): value.split() for name, value in lines}
    return (
        "deb" in fields.get("types", [])
        and any(_is_of(word, suite) for word in fields.get("suites", []))
        and "main" in fields.get("components", [])
    )


def _is_of(word: str, suite: str) -> bool:
    return word == suite or word.startswith(f"{suite}-")


def for_suite(sources: dict[str, str], here: str, wanted: str) -> dict[str, str]:
    """The same archive's entries for another release."""
    pattern = re.compile(rf"\b{re.escape(here)}\b")
    return {name: pattern.sub(wanted, text) for name, text in sources.items()}


def network_lines(apt_config: str) -> tuple[str, ...]:
    """apt's proxy, date and retry settings out of `apt-config dump`."""
    wanted = r"Acquire::(http|https|Check-|Retries|ForceIPv|AllowInsecure)"
    return tuple(line for line in apt_config.splitlines() if re.match(wanted, line))


def pip_conf(config_list: str) -> str:
    """pip's network settings out of `pip config list`, without folders of this
    machine, which a container lacks."""
    lines = ["[global]", "cert = /etc/ssl/certs/ca-certificates.crt"]
    for line in config_list.splitlines():
        key, _, raw = line.partition("=")
        key = key.rpartition(".")[2].replace("default-", "")
        value = " ".join(w for w in raw.strip("'").split() if "file:" not in w)
        if key in NETWORK_KEYS and value:
            lines.append(f"{key} = {value}")
    return "\n".join(lines) + "\n"


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout
