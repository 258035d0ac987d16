"""A Docker engine of a test's own, to be stopped, killed and filled up.

It has its own containerd, folders, socket and bridge, and leaves the machine's packet
filter alone: an engine flushes Docker's chains when it starts, those of the shared
engine too. Containers are reached from the host by address, as everywhere.
"""

import os
import secrets
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
from docker import APIClient

from launcher import processes
from launcher.engine import Answer, ping
from launcher.install import as_root, program
from replicas.tests.engine_fixtures import tiny

_SECONDS = 60


class OwnEngine:
    """Made stopped. `destroy` removes all of it, whatever happened to it."""

    def __init__(self):
        self.home = Path(tempfile.mkdtemp(prefix="alight-engine-"))
        self.host = f"unix://{self.home}/docker.sock"
        self.bridge = f"altest{secrets.token_hex(3)}"
        self.mounts = []
        self.path = os.environ["PATH"]
        # Words before dockerd's own, such as nsenter's.
        self.inside = ()
        _root("ip", "link", "add", self.bridge, "type", "bridge")

    # --- its life ------------------------------------------------------------

    def start(self, *options):
        """Start it and return when it answers."""
        # A killed one leaves its pid, and once in a while a containerd that hangs.
        for _ in range(3):
            self._forget_pids()
            if self._start(options):
                return
        pytest.fail(f"The test's dockerd did not start:\n{self.log()}")

    def stop(self):
        """As `systemctl stop docker` does; returns when it has ended."""
        self._end(signal.SIGTERM)

    def crash(self):
        """kill -9; its containers run on below their shims."""
        self._end(signal.SIGKILL)

    def lose_power(self):
        """All of it ends at once, containers too, and nothing is tidied up."""
        self.crash()
        self._kill_left()

    def freeze(self):
        """It takes connections and says nothing, until `thaw`."""
        _root("kill", "-STOP", str(self._pid()))

    def thaw(self):
        _root("kill", "-CONT", str(self._pid()))

    def destroy(self):
        self._end(signal.SIGTERM)
        self._kill_left()
        for place in [*_mounted_below(self.home), *self.mounts]:
            _root("umount", "-l", place, check=False)
        _root("ip", "link", "del", self.bridge, check=False)
        _root("rm", "-rf", str(self.home))

    # --- how it is ------------------------------------------------------------

    def client(self):
        return APIClient(self.host, version="auto", timeout=30)

    def docker(self, *words):
        """The docker command on this engine; its standard output."""
        done = subprocess.run(
            ["docker", "--host", self.host, *words],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def tiny_image(self):
        """busybox, as in tests.images."""
        client = self.client()
        try:
            return tiny.ensure(client, "alight-test/own:1")
        finally:
            client.close()

    def containers(self):
        """{name: whole id} of all there are, running or not."""
        words = ("ps", "--all", "--no-trunc", "--format", "{{.Names}} {{.ID}}")
        return dict(line.split() for line in self.docker(*words).splitlines())

    def log(self):
        return (self.home / "log").read_text()[-3000:]

    def limit_disk(self, size):
        """Give its data a disk of this size ("40m"). Before the first start."""
        place = self.home / "data"
        place.mkdir()
        _root("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place))
        self.mounts.append(str(place))

    def look_in(self, folder):
        """Let it find programs in this folder first. Before a start."""
        self.path = f"{folder}:{self.path}"

    # --- how ------------------------------------------------------------------

    def command(self, *options):
        """How it is started."""
        home = self.home
        return [
            *as_root("sudo dockerd"),
            # Named here: sudo hands on a path of its own.
            *("env", f"PATH={self.path}"),
            *self.inside,
            program("dockerd") or "dockerd",
            *("--host", self.host, "--data-root", f"{home}/data"),
            *("--exec-root", f"{home}/exec", "--pidfile", f"{home}/pid"),
            *("--bridge", self.bridge, "--config-file", f"{home}/none.json"),
            *("--containerd-namespace", self.bridge),
            *("--containerd-plugins-namespace", f"{self.bridge}-plugins"),
            "--iptables=false",
            "--ip6tables=false",
            "--ip-masq=false",
            *options,
        ]

    def _start(self, options):
        home = self.home
        (home / "none.json").write_text("{}")
        with (home / "log").open("ab") as log:
            started = subprocess.Popen(
                self.command(*options),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        deadline = time.monotonic() + _SECONDS
        while ping(self.host) is not Answer.YES:
            if started.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _pid(self):
        try:
            return int((self.home / "pid").read_text())
        except (OSError, ValueError):
            return None

    def _end(self, how):
        pid = self._pid()
        if pid is None or processes.start_time(pid) is None:
            return
        _root("kill", f"-{how.value}", str(pid), check=False)
        deadline = time.monotonic() + _SECONDS
        while processes.start_time(pid) is not None:
            assert time.monotonic() < deadline, "dockerd did not end"
            time.sleep(0.02)

    def _kill_left(self):
        """Until all have ended they may write below its folder; what is frozen may
        never end."""
        deadline = time.monotonic() + 10
        while left := [*filter(processes.start_time, self._left())]:
            if time.monotonic() > deadline:
                return
            for pid in left:
                _root("kill", "-9", str(pid), check=False)
            time.sleep(0.02)

    def _forget_pids(self):
        for name in ("pid", "exec/containerd/containerd.pid"):
            _root("rm", "-f", str(self.home / name))

    def _left(self):
        """What still runs with this engine's folder on its command line, or in one of
        its containers, and what these have started: also of containers it forgot."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                words = (place / "cmdline").read_bytes()
                cgroup = (place / "cgroup").read_text()
            except OSError:
                continue
            if int(place.name) != os.getpid() and (
                os.fsencode(self.home) in words or self._owns(cgroup)
            ):
                found.append(int(place.name))
        for pid in found:
            # It grows meanwhile, so theirs are found, too.
            found += [one for one in _children(pid) if one not in found]
        return found

    def _owns(self, cgroup):
        folder = self.home / "data" / "containers"
        ids = [part for part in cgroup.replace("\n", "/").split("/") if len(part) == 64]
        return any((folder / one).exists() for one in ids)


def _children(pid):
    found = []
    # It may end at any moment.
    with suppress(OSError):
        for place in Path(f"/proc/{pid}/task").glob("*/children"):
            found += map(int, place.read_text().split())
    return found


def _root(*words, check=True):
    done = subprocess.run(
        [*as_root(f"sudo {words[0]}"), *words], capture_output=True, text=True
    )
    assert not check or done.returncode == 0, done.stderr


def _mounted_below(folder):
    rows = Path("/proc/self/mounts").read_text().splitlines()
    places = [row.split()[1] for row in rows]
    return sorted((p for p in places if p.startswith(f"{folder}/")), reverse=True)


@pytest.fixture(scope="module")
def own_engine():
    """A stopped engine; the module starts it as it needs it."""
    made = OwnEngine()
    yield made
    made.destroy()
