"""A PostgreSQL of one test run: unix socket only, in a folder that goes with it.

It writes without waiting for the disk unless it is asked to. PostgreSQL refuses to
run as root: then it runs as the user that Debian's package makes for it.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
    binaries = programs()
    if binaries is None:
        raise LaunchError(
            "There is no PostgreSQL server here.",
            f"Run make test-postgres, or: sudo apt-get install {PACKAGE}",
        )
    # A short path: a unix socket's name is in it.
    home = Path(tempfile.mkdtemp(prefix="alight-pg-"))
    try:
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_USER)
            os.chown(home, owner.pw_uid, owner.pw_gid)
        _make(binaries, home, log)
        with _running(binaries, home, log, {} if lasting else _HASTY):
            yield f"postgres://alight@/postgres?host={home}"
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _make(binaries: Path, home: Path, log: Path) -> None:
    # Sorts as people do, unlike SQLite: what relies on one order of text fails here.
    people = ("--locale-provider=icu", "--icu-locale=en-US")
    words = people if _version(binaries) >= 15 else ()
    command = [str(binaries / "initdb"), "-D", f"{home}/data", "-U", "alight"]
    command += ["-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", *words]
    with log.open("ab") as out:
        made = subprocess.run(command, stdout=out, stderr=out, **_owner(), cwd="/")
    if made.returncode:
        raise LaunchError("PostgreSQL's initdb failed.", "Look at these lines.", log)


@contextmanager
def _running(
    binaries: Path, home: Path, log: Path, options: Mapping[str, str]
) -> Iterator[None]:
    command = [str(binaries / "postgres"), "-D", f"{home}/data", "-k", str(home)]
    for name, value in {**_OPTIONS, **options}.items():
        command += ["-c", f"{name}={value}"]
    with log.open("ab") as out:
        # In a session of its own: Ctrl-C is for the tests, which still need it then.
        made = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd="/",
            start_new_session=True,
            **_owner(),
        )
    try:
        deadline = time.monotonic() + _SECONDS
        while not _takes_questions(binaries, home):
            if made.poll() is not None or time.monotonic() > deadline:
                raise LaunchError(
                    "PostgreSQL did not start.", "Look at these lines.", log
                )
            time.sleep(0.05)
        yield
    finally:
        _stop(made)


def _stop(made: subprocess.Popen[bytes]) -> None:
    """By its own pid. SIGINT ends it without waiting for who is still connected."""
    if made.poll() is not None:
        return
    made.send_signal(2)
    try:
        made.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        for pid in reversed(processes.tree(made.pid)):
            os.kill(pid, 9)
        made.wait()


def _takes_questions(binaries: Path, home: Path) -> bool:
    """Its socket is there before that."""
    ask = [str(binaries / "pg_isready"), "-q", "-h", str(home)]
    return subprocess.run(ask).returncode == 0


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
