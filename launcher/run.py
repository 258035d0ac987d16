"""The words after `python3 -m launcher`, and the one place errors are printed."""

import subprocess
import sys
from collections.abc import Mapping, Sequence

from launcher import base_images, suite
from launcher.config import Config, make_folders, read_config
from launcher.down import down
from launcher.engine import ensure_engine
from launcher.errors import LaunchError
from launcher.keeping.backup import backup
from launcher.keeping.restore import restore
from launcher.status import status
from launcher.up import up

USAGE = (
    "usage: python3 -m launcher up|down|status|doctor|backup|restore|images|test|bench"
)


def main(words: Sequence[str], environ: Mapping[str, str]) -> int:
    verb = words[0] if words else ""
    try:
        config = read_config(environ)
        if verb == "up":
            return up(config, detach=is_set(environ, "DETACH"))
        if verb == "down":
            return down(config, replicas=is_set(environ, "REPLICAS"))
        if verb == "status":
            return status(config, as_json="--json" in words)
        if verb == "doctor":
            return manage(config, *words)
        if verb == "backup":
            to, volumes = environ.get("TO", ""), is_set(environ, "VOLUMES")
            return backup(config, to, volumes=volumes)
        if verb == "restore":
            source, replace = environ.get("FROM", ""), is_set(environ, "REPLACE")
            return restore(config, source, replace=replace)
        if verb == "images":
            make_folders(config)
            ensure_engine(config)
            return base_images.ensure(config, asked=True)
        if verb in {"test", "bench"}:
            return suite.run(config, verb, list(words[1:]))
    except LaunchError as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 1
    print(USAGE, file=sys.stderr)
    return 2


def manage(config: Config, *words: str) -> int:
    """Run manage.py with this installation's settings; its exit code."""
    if not config.python.exists():
        raise LaunchError(
            f"There are no Python packages in {config.venv}.",
            "Run make up: it installs what is missing and says what is wrong.",
        )
    command = [str(config.python), "manage.py", *words]
    return subprocess.run(command, cwd=config.root, env=dict(config.env)).returncode


def is_set(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "") not in {"", "0"}
