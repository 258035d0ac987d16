"""The PostgreSQL of a run: on a disk of its own, and the console is one user of it."""

from contextlib import contextmanager

import psycopg

from launcher import own_postgres
from tests.chaos.disk import Disk

_OPTIONS = {
    # Enough for all processes of the console; what takes the others can be afforded.
    "max_connections": "60",
    "shared_buffers": "64MB",
    "max_wal_size": "128MB",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
}
_DISK = "400m"
# Who may neither end others' sessions nor have those that are kept for an owner.
USER = "console"


class Server:
    """postgres: its processes. disk: theirs. address: for the console."""

    def __init__(self, postgres, disk, log):
        self.postgres, self.disk, self._log = postgres, disk, log
        self.address = f"postgres://{USER}@/{USER}?host={postgres.home}"

    def ask(self, query, *values):
        """As its owner, who always gets in; all rows."""
        # None while it is frozen: whoever froze it goes on by itself.
        with psycopg.connect(self.postgres.address, autocommit=True) as link:
            found = link.execute(query, values)
            return found.fetchall() if found.description else []

    def log(self):
        return self._log.read_text(errors="replace")[-20000:]


@contextmanager
def own_server(folder):
    """It runs; gone afterwards with all that was in it. folder: for its log."""
    log, disks = folder / "postgres.log", []

    @contextmanager
    def on(home):
        disks.append(Disk(home, _DISK))
        with disks[0].mounted():
            yield

    with own_postgres.running(log, lasting=True, options=_OPTIONS, disk=on) as made:
        server = Server(made, disks[0], log)
        server.ask(f"create role {USER} login")
        server.ask(f"create database {USER} owner {USER}")
        yield server
