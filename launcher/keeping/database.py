"""The PostgreSQL of an installation, by the program that knows its tables."""

import subprocess
import sys
from pathlib import Path

from launcher.config import Config
from launcher.errors import LaunchError


def database_file(
    config: Config, way: str, file: Path, *, replace: bool = False, home: str = ""
) -> None:
    """`manage.py database_file WAY FILE`, its progress as ours. Raises LaunchError.

    home: a folder of state in place of the installation's, where it would make files.
    """
    words = [str(config.python), "manage.py", "database_file", way, str(file)]
    sys.stdout.flush()
    done = subprocess.run(
        [*words, "--replace"] if replace else words,
        cwd=config.root,
        env={**config.env, **({"ALIGHT_HOME": home} if home else {})},
        # Where our own lines go: a backup may have standard output for itself.
        stdout=sys.stdout,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    if done.returncode:
        said = done.stderr.strip().removeprefix("CommandError: ")
        problem, _, todo = said[-1000:].rpartition("\n")
        raise LaunchError(
            problem or said or f"It ended with {done.returncode}.",
            todo or "See make doctor.",
        )
