"""A PostgreSQL of one test run: unix socket only, in a folder that goes with it.

It can be stopped, killed and started again. It writes without waiting for the disk
unless it is asked to. PostgreSQL refuses to run as root: then it runs as the user that
Debian's package makes for it.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from launcher import processes
from launcher.errors import LaunchError
from launcher.install import as_root, program

PACKAGE = "postgresql"
_DEBIANS = Path("/usr/lib/postgresql")
_USER = "postgres"
_SECONDS = 60
_OPTIONS = {
    "listen_addresses": "",
    # Consoles of several lanes at once.
    "max_connections": "400",
    "shared_buffers": "128MB",
    # Tests provoke refusals by the hundred; each is the client's to tell.
    "log_min_messages": "panic",
}
_HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# Debian's package makes a cluster and starts it, unless a file here says otherwise.
_NO_CLUSTER = Path("/etc/postgresql-common/createcluster.d/alight-tests.conf")


def programs() -> Path | None:
    """The folder of the newest server's programs; None when there is none."""
    found = [path.parent for path in _DEBIANS.glob("*/bin/postgres")]
    if found:
        return max(found, key=_version)
    elsewhere = program("postgres")
    return Path(elsewhere).resolve().parent if elsewhere else None


@contextmanager
def without_cluster() -> Iterator[None]:
    """While the package is installed: it makes and starts no server of its own."""
    _as_root("mkdir", "-p", str(_NO_CLUSTER.parent))
    _as_root("sh", "-c", f"echo create_main_cluster = false > {_NO_CLUSTER}")
    try:
        yield
    finally:
        _as_root("rm", "-f", str(_NO_CLUSTER))


@contextmanager
def server(log: Path, *, lasting: bool = False) -> Iterator[str]:
    """Runs one; gives the address of a database in it, whose user may make others.

    lasting: it waits for the disk, as one that people rely on.
    """
    with running(log, lasting=lasting) as made:
        yield made.address


@contextmanager
def running(
    log: Path,
    *,
    lasting: bool = False,
    options: Mapping[str, str] | None = None,
    disk: Callable[[Path], AbstractContextManager[object]] = nullcontext,
) -> Iterator["Server"]:
    """One that can be stopped and started; gone afterwards with all that was in it.

    options: more of its own, by name. disk: given its folder; what lies below that
    meanwhile holds all of it.
    """
    binaries = programs()
    if binaries is None:
        raise LaunchError(
            "There is no PostgreSQL server here.",
            f"Run make test-postgres, or: sudo apt-get install {PACKAGE}",
        )
    made = Server(binaries, log, {**({} if lasting else _HASTY), **(options or {})})
    try:
        with disk(made.home):
            try:
                made.make()
                made.start()
                yield made
            finally:
                made.stop()
    finally:
        made.destroy()


class Server:
    """address: of a database in it, whose user may make others. home: its folder,
    where its socket is."""

    def __init__(self, binaries: Path, log: Path, options: Mapping[str, str]) -> None:
        self._binaries, self._log = binaries, log
        self._options = {**_OPTIONS, **options}
        # A short path: a unix socket's name is in it.
        self.home = Path(tempfile.mkdtemp(prefix="alight-pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_USER)
            os.chown(self.home, owner.pw_uid, owner.pw_gid)

    @property
    def address(self) -> str:
        return f"postgres://alight@/postgres?host={self.home}"

    def make(self) -> None:
        # Sorts as people do, unlike SQLite: what relies on one order of text fails.
        people = ("--locale-provider=icu", "--icu-locale=en-US")
        words = people if _version(self._binaries) >= 15 else ()
        made = self._begin(
            *("initdb", "-D", f"{self.home}/data", "-U", "alight", "-A", "trust"),
            *("-E", "UTF8", "--locale=C.UTF-8", "--no-sync", *words),
        )
        if made.wait():
            raise self._error("PostgreSQL's initdb failed.")

    def start(self) -> None:
        """Returns when it takes connections."""
        words = (f"-c{name}={value}" for name, value in self._options.items())
        place = ("-D", f"{self.home}/data", "-k", str(self.home))
        self._process = self._begin("postgres", *place, *words)
        deadline = time.monotonic() + _SECONDS
        while not self.takes_questions():
            if not self.runs or time.monotonic() > deadline:
                raise self._error("PostgreSQL did not start.")
            time.sleep(0.05)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def takes_questions(self) -> bool:
        """Its socket is there before that."""
        ask = [str(self._binaries / "pg_isready"), "-q", "-h", str(self.home)]
        return subprocess.run(ask).returncode == 0

    def stop(self) -> None:
        """By its own pid, without waiting for who is still connected."""
        if self._process is None or not self.runs:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            self.crash()

    def crash(self) -> None:
        """kill -9 of all its processes; the next start recovers what was committed."""
        if self._process is None:
            return
        self._signal(signal.SIGKILL)
        self._process.wait()

    def freeze(self) -> None:
        """It takes connections and says nothing, until `thaw`."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        """First to the one that would start others in place of those that end."""
        if self._process is None:
            return
        for pid in processes.tree(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def destroy(self) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _begin(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as out:
            # In a session of its own: Ctrl-C is for the tests, which still need it.
            return subprocess.Popen(
                [str(self._binaries / name), *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd="/",
                start_new_session=True,
                **_owner(),
            )

    def _error(self, what: str) -> LaunchError:
        return LaunchError(what, "Look at these lines.", self._log)


def _owner() -> dict[str, Any]:
    """For subprocess: as whom it runs."""
    if os.geteuid():
        return {}
    return {"user": _USER, "group": _USER, "extra_groups": []}


def _version(binaries: Path) -> int:
    """Of Debian's folder, …/15/bin; 0 for another's."""
    name = binaries.parent.name
    return int(name) if name.isdigit() else 0


def _as_root(*words: str) -> None:
    by_hand = f"sudo apt-get install {PACKAGE}"
    subprocess.run([*as_root(by_hand), *words], check=True)
