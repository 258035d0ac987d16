"""What whoever runs the console types: that depends on what keeps its processes.

ALIGHT_KEPT_BY names it: make (`make up`), systemd (`make service`) or compose
(docker-compose.yml). Pages, API and commands have these words from here.
"""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from launcher.config import unit_file

# HAProxy's process is a service of another name there.
_SERVICES = {"haproxy": "ingress"}


def by_compose() -> bool:
    """Whether this runs in a container of docker-compose.yml, apart from the others."""
    return settings.ALIGHT_KEPT_BY == "compose"


def status() -> str:
    """Which processes run."""
    return "docker compose ps" if by_compose() else "make status"


def doctor() -> str:
    """What is wrong, and how it is mended."""
    worker = "docker compose exec worker python manage.py doctor"
    return worker if by_compose() else "make doctor"


def start() -> str:
    return _words(make="make up", unit="start", compose="docker compose up -d --wait")


def stop() -> str:
    """The processes of the console; on docker compose those that use the database."""
    return _words(
        make="make down",
        unit="stop",
        compose="docker compose stop web worker beat",
    )


def restart() -> str:
    """All processes anew, with new settings; open connections are cut."""
    if settings.ALIGHT_KEPT_BY == "make":
        return f"{stop()} && {start()}"
    return _words(make="", unit="restart", compose="docker compose restart")


def renew() -> str:
    """New code takes over; open connections of endpoints stay."""
    return "compose/update" if by_compose() else f"make restart{_home()}"


def end_hung(name: str) -> str:
    """What to do about a process that runs and does not answer, as sentences."""
    if by_compose():
        return f"Docker restarts what ends; one that hangs: {anew(name)}."
    return (
        "The supervisor restarts what ends; one that hangs is ended by hand (make "
        "status has its pid)."
    )


def anew(*names: str) -> str:
    """Some processes anew; only with HAProxy are open connections cut."""
    if by_compose():
        return " ".join(["docker compose restart", *map(_service, names)])
    return restart() if "haproxy" in names else renew()


def log(name: str) -> str:
    """Where the log of one is: a file, or what shows it."""
    if by_compose():
        return f"docker compose logs {_service(name)}"
    return str(settings.ALIGHT_HOME / "logs" / f"{name}.log")


def find_log(name: str) -> str:
    """The same for everybody's eyes, without a path of this machine."""
    return log(name) if by_compose() else status()


def _service(name: str) -> str:
    return _SERVICES.get(name, name)


def _words(*, make: str, unit: str, compose: str) -> str:
    match settings.ALIGHT_KEPT_BY:
        case "compose":
            return compose
        case "systemd":
            return f"sudo systemctl {unit} {unit_file(settings.ALIGHT_HOME).stem}"
    return f"{make}{_home()}"


def _home() -> str:
    """Names the folder of state when it is not the usual one."""
    home: Path = settings.ALIGHT_HOME
    return "" if home == settings.BASE_DIR / ".alight" else f" ALIGHT_HOME={home}"
