"""Where things are and what they are called, read once from the environment."""

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher.errors import LaunchError

ROOT = Path(__file__).resolve().parent.parent
# A unix socket's path has 107 bytes. HAProxy binds RUN/ingress/haproxy.sock under a
# longer, temporary name first, which leaves this much for RUN.
RUN_BYTES = 70
UNITS = Path("/etc/systemd/system")


def unit_file(home: Path, root: Path = ROOT) -> Path:
    """Where systemd has the unit of this home, once `make service` wrote it: each has
    its own, "alight-srv-alight.service"; the usual one has "alight.service"."""
    if home == root / ".alight":
        return UNITS / "alight.service"
    words = re.sub(r"[^A-Za-z0-9]+", "-", str(home)).strip("-")
    return UNITS / f"alight-{words}.service"


@dataclass(frozen=True)
class Config:
    """One installation. `env` is what its processes are started with."""

    root: Path
    home: Path
    run: Path
    port: int
    domain: str
    bind: tuple[str, ...]
    docker_host: str
    valkey_url: str
    env: Mapping[str, str]

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def pids(self) -> Path:
        return self.run / "pids"

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def web_socket(self) -> Path:
        return Path(self.env["ALIGHT_WEB_SOCKET"])

    @property
    def haproxy_cfg(self) -> Path:
        return Path(self.env["ALIGHT_INGRESS_DIR"]) / "haproxy.cfg"

    @property
    def own_valkey(self) -> bool:
        """Whether the Valkey to use is the one we start."""
        return self.valkey_url == f"unix://{self.run / 'valkey.sock'}"

    @property
    def url(self) -> str:
        scheme = self.env.get("ALIGHT_SCHEME", "http")
        standard = {"http": 80, "https": 443}.get(scheme)
        port = "" if self.port == standard or scheme == "https" else f":{self.port}"
        return f"{scheme}://{self.domain}{port}"


def read_config(environ: Mapping[str, str], root: Path = ROOT) -> Config:
    named = Path(environ.get("ALIGHT_HOME") or ".alight").expanduser()
    home = (root / named).resolve()
    run = short_run(home, environ)
    ingress = run / "ingress"
    settings = {
        "ALIGHT_HOME": str(home),
        "ALIGHT_PORT": environ.get("ALIGHT_PORT") or "8080",
        "ALIGHT_VALKEY_URL": f"unix://{run / 'valkey.sock'}",
        "ALIGHT_WEB_SOCKET": str(run / "web.sock"),
        "ALIGHT_WORKER_SOCKET": str(run / "worker.sock"),
        "ALIGHT_INGRESS_DIR": str(ingress),
        "ALIGHT_INGRESS_SOCKET": str(ingress / "haproxy.sock"),
        "ALIGHT_BIND": "127.0.0.1,::1",
    }
    chosen = {name: environ.get(name) or value for name, value in settings.items()}
    chosen["ALIGHT_HOME"] = settings["ALIGHT_HOME"]
    return Config(
        root=root,
        home=home,
        run=run,
        port=read_port(chosen["ALIGHT_PORT"]),
        domain=environ.get("ALIGHT_DOMAIN") or "localhost",
        bind=tuple(b.strip() for b in chosen["ALIGHT_BIND"].split(",") if b.strip()),
        docker_host=environ.get("ALIGHT_DOCKER_HOST") or "unix:///var/run/docker.sock",
        valkey_url=chosen["ALIGHT_VALKEY_URL"],
        env={**child_env(environ), **chosen},
    )


def child_env(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what belongs to make and to a sourced virtual env."""
    # Only the step that makes the first user may see the password.
    drop = {
        "ALIGHT_ADMIN_PASSWORD",
        "ARGS",
        "COMPOSE",
        "DETACH",
        "FROM",
        "MAKEFLAGS",
        "MAKELEVEL",
        "MAKEOVERRIDES",
        "MFLAGS",
        "PYTHONHOME",
        "REPLACE",
        "REPLICAS",
        "TO",
        "VIRTUAL_ENV",
        "VOLUMES",
    }
    env = {name: value for name, value in environ.items() if name not in drop}
    return {
        **env,
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "console.settings",
    }


def read_port(raw: str) -> int:
    if raw.isascii() and raw.isdigit() and 1 <= int(raw) <= 65535:
        return int(raw)
    raise LaunchError(
        f'ALIGHT_PORT is "{raw}", which is not a port.',
        "Give a number from 1 to 65535, such as: make up ALIGHT_PORT=8090",
    )


def short_run(home: Path, environ: Mapping[str, str]) -> Path:
    """The folder for sockets and pids: in `home`, or, when that path is too long for
    a unix socket, a folder of its own with a short name."""
    run = home / "run"
    if len(os.fsencode(run)) <= RUN_BYTES:
        return run
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:10]
    runtime = environ.get("XDG_RUNTIME_DIR")
    if runtime and len(os.fsencode(runtime)) <= RUN_BYTES - 18:
        return Path(runtime) / f"alight-{name}"
    return Path("/tmp") / f"alight-{os.getuid()}-{name}"


def make_folders(config: Config) -> None:
    """Make home, run and logs, for their owner's eyes alone."""
    for folder in (config.home, config.run, config.pids, config.logs):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    Path(config.env["ALIGHT_INGRESS_DIR"]).mkdir(
        mode=0o700, parents=True, exist_ok=True
    )
    if config.run.is_relative_to(config.home):
        return
    # Below /tmp anybody could have made that name first.
    found = config.run.lstat()
    if config.run.is_symlink() or found.st_uid != os.getuid():
        raise LaunchError(
            f"{config.run} belongs to somebody else.",
            "Set ALIGHT_HOME to a shorter path, such as ALIGHT_HOME=~/.alight",
        )
    config.run.chmod(0o700)


def on_terminal() -> bool:
    return sys.stdin.isatty()
