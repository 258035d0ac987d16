"""make service: a systemd unit, so that the console starts with the machine."""

import os
import pwd
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from launcher import processes
from launcher.config import Config, unit_file
from launcher.database import PASSWORD, URL, given
from launcher.errors import LaunchError
from launcher.install import as_root, program
from launcher.keeping.places import places_of
from launcher.show import say, step
from launcher.supervisor import NAME

# The unit is a file that everybody may read.
_SECRET = frozenset(
    {
        "ALIGHT_SECRET_KEY",
        "ALIGHT_OLD_SECRET_KEYS",
        "ALIGHT_METRICS_TOKEN",
        # It may hold a password; and without one it is as well in a file.
        URL,
        PASSWORD,
    }
)
_ONCE = frozenset({"ALIGHT_ADMIN_PASSWORD"})

UNIT = """\
# Written by make service; make service-off removes it.
[Unit]
Description=Alight, a console for GPU endpoints ({home})
After=network-online.target docker.service
Wants=network-online.target docker.service

[Service]
Type=exec
User={user}
WorkingDirectory={root}
{environment}
ExecStart={python} -m launcher up
# The supervisor ends its processes in order; what is left after that is killed.
KillMode=mixed
TimeoutStopSec=120
Restart=on-failure
RestartSec=5
UMask=0077
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
"""


def service_on(config: Config, environ: Mapping[str, str]) -> int:
    """Install the unit, start it with the machine, and now when nothing runs yet.

    Raises LaunchError.
    """
    user = pwd.getpwuid(os.getuid()).pw_name
    file = unit_file(config.home, config.root)
    name, text = file.name, unit_text(config, environ, user, sys.executable)
    _need_systemd()
    elsewhere = given(config.env, URL)
    if not elsewhere and not places_of(config).database.is_file():
        raise LaunchError(
            "Nothing was ever started here.",
            "Run make up once: it installs what is missing and shows the password, "
            "which would go into the journal else.",
        )
    say(f"To write: {file}")
    for line in text.splitlines():
        say(f"    {line}")
    root = as_root("sudo make service")
    with step(f"Installing {name}"):
        _run([*root, "tee", str(file)], text)
        _run([*root, "systemctl", "daemon-reload"])
        _run([*root, "systemctl", "enable", name])
    if processes.running(config.pids, NAME):
        say("Alight runs already, by hand. It is the service's from the next start of")
        say(f"the machine on; from now on: make down && systemctl start {name}")
        return 0
    with step(f"Starting {name}"):
        _run([*root, "systemctl", "start", name])
    say(f"How it does: systemctl status {name}, make status. Its words: journalctl -u")
    say(f"{name}. It ends with systemctl stop {name}; make service-off removes it.")
    return 0


def service_off(config: Config) -> int:
    """Stop it and remove the unit. State and replicas stay."""
    file = unit_file(config.home, config.root)
    name = file.name
    _need_systemd()
    if not file.exists():
        say(f"There is no {file}.")
        return 0
    root = as_root("sudo make service-off")
    with step(f"Stopping and removing {name}"):
        _run([*root, "systemctl", "disable", "--now", name])
        _run([*root, "rm", "-f", str(file)])
        _run([*root, "systemctl", "daemon-reload"])
    say("Removed. Replicas keep running; make up finds them again.")
    return 0


def unit_text(
    config: Config, environ: Mapping[str, str], user: str, python: str
) -> str:
    """The unit for this user, with the settings of `environ`; python is the one that
    make found."""
    if not config.run.is_relative_to(config.home):
        raise LaunchError(
            f"The path {config.home} is too long for the sockets of a service.",
            "Move that folder to a shorter path and give it as ALIGHT_HOME.",
        )
    chosen = {
        name: value
        for name, value in sorted(environ.items())
        if name.startswith("ALIGHT_") and name not in _ONCE and value
    }
    chosen["ALIGHT_HOME"] = str(config.home)
    for name in _SECRET & chosen.keys():
        raise LaunchError(
            f"{name} would be in a file that everybody may read.",
            f"Put it into a file of yours and give {name}_FILE, or leave it out where "
            "the home has it.",
        )
    chosen["PATH"] = environ.get("PATH", "")
    lines = [f"Environment={quoted(f'{name}={val}')}" for name, val in chosen.items()]
    # Where the command begins, a dollar would name a variable.
    command = quoted(python).replace("$", "$$")
    return UNIT.format(
        home=_plain(str(config.home)),
        user=user,
        root=_plain(str(config.root)),
        environment="\n".join(lines),
        python=command,
    )


def quoted(text: str) -> str:
    """As systemd reads one word: its own marks are said twice or escaped."""
    if "\n" in text:
        raise LaunchError(
            "A setting has more than one line, which a unit cannot hold.",
            f"Shorten it: {text.splitlines()[0]}…",
        )
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _plain(text: str) -> str:
    return text.replace("%", "%%")


def _need_systemd() -> None:
    if Path("/run/systemd/system").is_dir() and program("systemctl"):
        return
    raise LaunchError(
        "systemd does not run here.",
        "Have whatever starts programs on this machine run, as this user: make up",
    )


def _run(command: list[str], text: str = "") -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        raise LaunchError(
            f"{' '.join(command)} failed: {done.stderr.strip()}",
            "Mend what that names, then run it again.",
        )
