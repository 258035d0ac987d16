"""A whole console for a test: the launcher's own services in a home of their own."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from launcher import isolation, processes
from launcher.config import ROOT, Config, read_config
from launcher.replicas import installation, remove_replicas
from launcher.services import all_services
from tests import postgres
from tests.environment import OUTSIDE
from tests.ports import free_port
from tests.waiting import until


@dataclass
class Console:
    """A running installation. `env` reaches it from `manage.py` as well.

    What a test asks of a console is here, so that the stack of docker-compose.yml
    (tests/compose/stack.py) can be put in its place.
    """

    url: str
    port: int
    password: str
    home: Path
    env: dict[str, str]
    user: str = "admin"
    # Address of the one made for it in the run's PostgreSQL; "" with SQLite.
    database: str = ""
    # Of whoever signed in last, for a browser that starts with them.
    cookies: list[dict[str, Any]] = field(default_factory=list)
    _tokens: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Config:
        return read_config(self.env)

    @property
    def installation(self) -> str:
        """What all that it makes in the engine is marked with."""
        return installation(self.config)

    @property
    def kept_logs(self) -> Path:
        """The folder of every attempt's whole log."""
        return self.home / "replica-logs"

    def endpoint_url(self, name: str) -> str:
        """Where an endpoint of this console is."""
        return f"http://{name}.localhost:{self.port}"

    def manage(self, *words: str) -> str:
        """Run manage.py in this installation; its standard output."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=dict(self.config.env),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def token(self, name: str = "test") -> str:
        """A bearer token of admin, made when it is first asked for."""
        if name not in self._tokens:
            self._tokens[name] = self.manage("make_token", name)
        return self._tokens[name]

    def launch(self, *words: str) -> str:
        """`make WORDS` as a user would type it; what it printed."""
        return self.typed(["make", "-s", *words, f"PYTHON={sys.executable}"], self.env)

    def typed(self, command: list[str], env: dict[str, str]) -> str:
        """Run it as a person does who sees all that it writes; that."""
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{done.stdout}\n{self.logs()}"
        return done.stdout

    def up(self) -> None:
        """Returns when the console answers."""
        self.launch("up", "DETACH=1")

    def down(self) -> None:
        """All of it ends but replicas and what is kept."""
        self.launch("down")

    def kill(self, name: str) -> None:
        """kill -9 one of its processes; returns when another runs in its place.

        One that just died is left alone.
        """
        found = processes.read(self.config.pids, name)
        assert found, f"{name} was never started"
        with suppress(ProcessLookupError):
            os.kill(found.pid, signal.SIGKILL)
        until(lambda: processes.read(self.config.pids, name) != found)

    def wait_for(self, name: str) -> None:
        """Until that process does its work."""
        (service,) = [s for s in all_services(self.config) if s.name == name]
        until(lambda: service.ready is None or service.ready())

    def empty_valkey(self) -> None:
        """It dies, and all it knew is gone."""
        shutil.rmtree(self.home / "valkey")
        (self.home / "valkey").mkdir(mode=0o700)
        self.kill("valkey")

    def logs(self) -> str:
        """The end of every log, for a failure's message."""
        logs = sorted((self.home / "logs").glob("*.log"))
        return "\n".join(f"== {log.name}\n{log.read_text()[-1500:]}" for log in logs)


@contextmanager
def running_console(**settings: str) -> Iterator[Console]:
    """A new one as `make up` leaves it; gone afterwards with all it made.

    settings: as of `new_console`.
    """
    made = new_console(**settings)
    try:
        made.up()
        yield made
    finally:
        remove_console(made)


def new_console(**settings: str) -> Console:
    """An installation that is not started yet. settings: ALIGHT_… variables."""
    home = Path(tempfile.mkdtemp(prefix="alight-e2e-"))
    outside = {k: v for k, v in OUTSIDE.items() if not k.startswith("ALIGHT_")}
    if host := os.environ.get("ALIGHT_DOCKER_HOST"):
        outside["ALIGHT_DOCKER_HOST"] = host
    port, password = free_port(), secrets.token_urlsafe(12)
    own = {
        "ALIGHT_HOME": str(home),
        "ALIGHT_PORT": str(port),
        "ALIGHT_ADMIN_PASSWORD": password,
        # The suite made it before, when it could be made.
        "ALIGHT_BASE_IMAGES": "0",
    }
    made = ""
    if postgres.SERVER and "ALIGHT_DATABASE_URL" not in settings:
        own["ALIGHT_DATABASE_URL"] = made = postgres.make_database()
    env = {**outside, **own, **settings}
    url = f"http://localhost:{port}"
    return Console(url, port, password, home, env, database=made)


def remove_console(console: Console) -> None:
    """Stop it and remove all it made: processes, containers, network, volumes."""
    try:
        console.launch("down")
        if (console.home / "installation").exists():
            remove_replicas(console.config, volumes=True)
            isolation.remove_unneeded(console.config)
    finally:
        shutil.rmtree(console.home, ignore_errors=True)
        if console.database:
            postgres.drop_database(console.database)
