"""The stack of docker-compose.yml, as a console that the other tests can be run on."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from launcher import compose
from launcher.base_images import image_labels
from launcher.config import ROOT, read_config
from launcher.install import as_root
from launcher.recipes import COMPOSE
from launcher.replicas import remove_replicas
from tests.console import Console
from tests.ports import free_port
from tests.waiting import until

# Kept between runs, so that the next build takes seconds.
IMAGE = "alight-test/compose:latest"
SERVICES = ("postgres", "valkey", "web", "worker", "beat", "ingress")
_SECONDS = 900
# What `make up` calls otherwise.
_SERVICE = {"haproxy": "ingress"}


@dataclass
class Stack(Console):
    """A running project of its own. `home` holds its .env and its secrets."""

    project: str = ""

    @property
    def _docker_compose(self) -> list[str]:
        settings = ("--env-file", self.env["ALIGHT_ENV_FILE"])
        return ["docker", "compose", "--project-name", self.project, *settings]

    def compose(self, *words: str, **more) -> str:
        """`docker compose WORDS`; its standard output."""
        done = subprocess.run(
            [*self._docker_compose, *words],
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            **more,
        )
        said = (done.stdout + done.stderr)[-4000:]
        assert done.returncode == 0, f"{words}: {said}\n{self.logs()}"
        return done.stdout.strip()

    def docker(self, *words: str) -> str:
        """The docker command on its engine; its standard output."""
        done = subprocess.run(
            ["docker", *words], env=self.env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def up(self) -> None:
        """Returns when the console answers."""
        self.compose("up", "--detach", "--wait")

    def down(self) -> None:
        """As somebody who updates or moves it does; state and replicas stay."""
        self.compose("down")

    @contextmanager
    def with_settings(self, **changed: str) -> Iterator[None]:
        """With these in its .env, which `up` takes over; afterwards as before."""
        path = Path(self.env["ALIGHT_ENV_FILE"])
        before = path.read_text()
        lines = [x for x in before.splitlines() if x.partition("=")[0] not in changed]
        lines += [f"{name}={value}" for name, value in changed.items()]
        path.write_text("\n".join([*lines, ""]))
        try:
            self.up()
            yield
        finally:
            path.write_text(before)
            self.up()

    def run(self, service: str, *words: str) -> str:
        """A command in the container of that service."""
        return self.compose("exec", "-T", service, *words)

    def script(self, name: str, *words: str, **more: str) -> str:
        """compose/NAME as a person runs it; what it wrote. more: variables."""
        env = {
            **self.env,
            "COMPOSE_PROJECT_NAME": self.project,
            "COMPOSE_ENV_FILES": self.env["ALIGHT_ENV_FILE"],
            **more,
        }
        return self.typed([str(ROOT / "compose" / name), *words], env)

    def manage(self, *words: str) -> str:
        return self.run("worker", "python", "manage.py", *words)

    def container(self, service: str) -> str:
        """The id of its container."""
        return self.compose("ps", "--all", "--quiet", service)

    @property
    def installation(self) -> str:
        return self.run("web", "cat", "/var/lib/alight/installation")[:12]

    @property
    def config(self):
        """As of an installation whose folder of sockets is the volume of them."""
        socket = self._volume("run") / "ingress" / "haproxy.sock"
        return read_config({**self.env, "ALIGHT_INGRESS_SOCKET": str(socket)})

    @property
    def kept_logs(self) -> Path:
        return self._volume("state") / "replica-logs"

    def kill(self, name: str) -> None:
        """As a crash of all that is in its container; Docker starts it again."""
        container = self.container(_SERVICE.get(name, name))

        def pid():
            return self.docker("inspect", "--format", "{{.State.Pid}}", container)

        old = pid()
        killed = subprocess.run([*as_root("sudo kill"), "kill", "-9", old])
        assert killed.returncode == 0, f"{name}: no process {old}"
        until(lambda: pid() not in ("0", old))

    def wait_for(self, name: str) -> None:
        """Until the look that Docker takes at it now and then finds it well."""
        container = self.container(_SERVICE.get(name, name))
        asked = ("inspect", "--format", "{{json .Config.Healthcheck.Test}}", container)
        kind, *look = json.loads(self.docker(*asked))
        shell = ["sh", "-c"] if kind == "CMD-SHELL" else []
        command = ["docker", "exec", container, *shell, *look]

        def well():
            done = subprocess.run(command, env=self.env, capture_output=True)
            return done.returncode == 0

        until(well)

    def empty_valkey(self) -> None:
        self.run("valkey", "sh", "-c", "rm -rf /data/*")
        self.kill("valkey")

    def _volume(self, name: str) -> Path:
        """Where its files are on this machine."""
        words = ("volume", "inspect", "--format", "{{.Mountpoint}}")
        return Path(self.docker(*words, f"{self.project}_{name}"))

    def logs(self) -> str:
        told = subprocess.run(
            [*self._docker_compose, "logs", "--tail=40"],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
        )
        return told.stdout[-8000:]


@contextmanager
def running_stack(engine: str) -> Iterator[Stack]:
    """A new one as `docker compose up -d --wait` leaves it; nothing of it is left.

    engine: address of the Docker engine. Fails, never skips, without what it needs.
    """
    fail_without_compose()
    for recipe in COMPOSE:
        if image_labels(engine, recipe.image) is None:
            pytest.fail(f"There is no image {recipe.image}: make images COMPOSE=1")
    made = new_stack()
    try:
        made.compose("build")
        made.up()
        yield made
    finally:
        remove_stack(made)


def fail_without_compose() -> None:
    if not compose.is_there():
        pytest.fail(
            "There is no `docker compose`. `make test` fetches it; by hand: install "
            "Docker's compose plugin."
        )


def new_stack() -> Stack:
    """What `compose/setup` makes, with a port and a name of the test's own."""
    home = Path(tempfile.mkdtemp(prefix="alight-compose-"))
    port = free_port()
    socket = os.environ.get("ALIGHT_DOCKER_HOST", "unix:///var/run/docker.sock")
    outside = {k: v for k, v in os.environ.items() if not k.startswith("ALIGHT_")}
    env = {
        **outside,
        "DOCKER_HOST": socket,
        "DOCKER_SOCKET": socket.removeprefix("unix://"),
        "ALIGHT_ENV_FILE": str(home / "env"),
        "ALIGHT_SECRETS": str(home / "secrets"),
        "ALIGHT_PORT": str(port),
        "ALIGHT_IMAGE": IMAGE,
        # So that a test has time to do something before open connections are cut.
        "ALIGHT_STOP_SECONDS": "20",
    }
    subprocess.run([ROOT / "compose" / "setup"], check=True, env=env)
    return Stack(
        url=f"http://localhost:{port}",
        port=port,
        password=(home / "secrets" / "admin_password").read_text().strip(),
        home=home,
        env=env,
        project=f"alight-test-{os.getpid()}",
    )


def remove_stack(stack: Stack) -> None:
    """All it made: replicas, their network and volumes, containers, its own volumes."""
    try:
        if "worker" not in stack.compose("ps", "--services", "--status", "running"):
            stack.up()
        installation = stack.installation
        stack.run("worker", "python", "manage.py", "isolation", "--remove")
        stack.compose("stop", "worker", "beat", "web")
        env = {**stack.env, "ALIGHT_INSTALLATION": installation}
        env["ALIGHT_DOCKER_HOST"] = stack.env["DOCKER_HOST"]
        remove_replicas(read_config(env), volumes=True)
    finally:
        stack.compose("down", "--volumes")
        shutil.rmtree(stack.home, ignore_errors=True)
