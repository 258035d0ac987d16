"""The stack of docker-compose.yml, as a console that the other tests can be run on."""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from launcher.config import ROOT, read_config
from launcher.ports import free_port
from launcher.replicas import remove_replicas
from tests.console import Console

# Kept between runs, so that the next build takes seconds.
IMAGE = "alight-test/compose:latest"
SERVICES = ("postgres", "valkey", "web", "worker", "beat", "ingress")
_SECONDS = 900


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

    def up(self) -> None:
        """Returns when the console answers."""
        self.compose("up", "--detach", "--wait")

    def down(self) -> None:
        """As somebody who updates or moves it does; state and replicas stay."""
        self.compose("down")

    def run(self, service: str, *words: str) -> str:
        """A command in the container of that service."""
        return self.compose("exec", "-T", service, *words)

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
        volume = f"{self.project}_run"
        found = subprocess.run(
            ["docker", "volume", "inspect", "--format", "{{.Mountpoint}}", volume],
            check=True,
            capture_output=True,
            text=True,
        )
        ingress = Path(found.stdout.strip(), "ingress")
        return read_config(
            {**self.env, "ALIGHT_INGRESS_SOCKET": str(ingress / "haproxy.sock")}
        )

    def logs(self) -> str:
        told = subprocess.run(
            [*self._docker_compose, "logs", "--tail=40"],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
        )
        return told.stdout[-8000:]


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
