"""An installation that does not run: its home, its database, its manage.py."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from launcher.config import ROOT
from tests.environment import OUTSIDE
from tests.upgrade import keep


class House:
    """url: of its PostgreSQL; "" for SQLite."""

    def __init__(self, home: Path, url: str = "", **settings: str) -> None:
        self.home, self.url = home, url
        outside = {k: v for k, v in OUTSIDE.items() if not k.startswith("ALIGHT_")}
        own = {"ALIGHT_HOME": str(home), "ALIGHT_DATABASE_URL": url}
        self.env = {**outside, **own, **settings}
        self.env["DJANGO_SETTINGS_MODULE"] = "console.settings"
        self.file = home / "alight.sqlite3"

    def runs(self, *words: str, data: bytes | None = None) -> tuple[int, bytes, str]:
        """Python with these words: exit code, standard output, standard error."""
        done = subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=self.env,
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
        )
        return done.returncode, done.stdout, done.stderr.decode()

    def manage(self, *words: str, data: bytes | None = None) -> str:
        code, out, said = self.runs("manage.py", *words, data=data)
        assert code == 0, f"{out.decode()}\n{said}"
        return out.decode()

    def refuses(self, *words: str) -> str:
        """What manage.py says as it ends without having done it."""
        code, out, said = self.runs("manage.py", *words)
        assert code == 1, out.decode()
        assert "Traceback" not in said, said
        return said

    def look(self, *words: str) -> dict:
        """It migrated, and was seen by Alice: tests/upgrade/look.py."""
        code, out, said = self.runs("-W", "ignore", "-m", "tests.upgrade.look", *words)
        assert code == 0, said
        return json.loads(out)

    def rows(self) -> dict[str, dict]:
        """table: primary key: column: value, from either database in one form."""
        path = self.file
        if self.url:
            path = self.home / f"read-{os.urandom(4).hex()}.sqlite3"
            self.manage("database_file", "read", str(path))
        return rows(path)


def kept(name: str, home: Path, url: str = "", **settings: str) -> House:
    """One that an earlier state of the code wrote, as it left it."""
    keep.load(name, home)
    return House(home, url, **settings)


def rows(path: Path) -> dict[str, dict]:
    with closing(sqlite3.connect(path)) as link:
        link.row_factory = sqlite3.Row
        names = [
            row[0]
            for row in link.execute("select name from sqlite_master where type='table'")
        ]
        return {name: _rows(link, name) for name in names}


def _rows(link, table) -> dict:
    found = [dict(row) for row in link.execute(f'select * from "{table}"')]
    return {
        next(iter(row.values())): {k: _read(v) for k, v in row.items()} for row in found
    }


def _read(value):
    """JSON as what it says: the order of its names is nobody's."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
