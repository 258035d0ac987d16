"""Keep what a state of the code writes, for tests of later ones: README.md here.

.venv/bin/python -m tests.upgrade.keep v0.2.0          the tag, as v0.2.0
.venv/bin/python -m tests.upgrade.keep 56035e8 NAME    any commit, under a name
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
KEPT = Path(__file__).resolve().parent / "kept"
# Folders and files of a home that are kept beside the database.
FILES = ("secret_key", "installation", "replica-logs", "async")


def keep(ref: str, name: str) -> Path:
    """Raises CalledProcessError, with what went wrong on the terminal."""
    with tempfile.TemporaryDirectory(prefix="alight-keep-") as folder:
        code, home = Path(folder, "code"), Path(folder, "home")
        _run("git", "worktree", "add", "--quiet", "--detach", str(code), ref, cwd=ROOT)
        try:
            home.mkdir(mode=0o700)
            (home / "installation").write_text("kept")
            (home / "secret_key").write_text("k" * 64)
            filler = Path(__file__).with_name("fill.py")
            _run(sys.executable, "manage.py", "migrate", "-v0", cwd=code, home=home)
            _run(sys.executable, str(filler), cwd=code, home=home)
            return _put(home, KEPT / name)
        finally:
            _run("git", "worktree", "remove", "--force", str(code), cwd=ROOT)


def _put(home: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with closing(sqlite3.connect(home / "alight.sqlite3")) as link:
        (target / "database.sql").write_text("\n".join(dump(link)) + "\n")
    for name in FILES:
        one = home / name
        if one.is_dir():
            shutil.copytree(one, target / name, ignore=shutil.ignore_patterns("*.lock"))
        elif one.is_file():
            shutil.copy(one, target / name)
    return target


def dump(link: sqlite3.Connection) -> list[str]:
    """As SQL, without the numbers that SQLite keeps for itself beside the tables."""
    lines = list(link.iterdump())
    return [line for line in lines if "sqlite_sequence" not in line] + [
        "DELETE FROM sqlite_sequence;",
        *(
            f"INSERT INTO sqlite_sequence VALUES('{table}',{number});"
            for table, number in link.execute(
                "select name, seq from sqlite_sequence order by name"
            )
        ),
    ]


def load(name: str, home: Path) -> None:
    """Put a kept state into an empty home."""
    kept = KEPT / name
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in kept.iterdir():
        if path.is_dir():
            shutil.copytree(path, home / path.name)
        elif path.name != "database.sql":
            shutil.copy(path, home / path.name)
    with closing(sqlite3.connect(home / "alight.sqlite3")) as link:
        link.executescript((kept / "database.sql").read_text())


def _run(*command: str, cwd: Path, home: Path | None = None) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("ALIGHT_")}
    if home:
        env |= {"ALIGHT_HOME": str(home), "PYTHONPATH": str(cwd)}
        env["DJANGO_SETTINGS_MODULE"] = "console.settings"
    subprocess.run(command, cwd=cwd, env=env, check=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    if not given:
        sys.exit(__doc__)
    print(keep(given[0], given[-1]))
