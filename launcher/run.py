"""The words after `python3 -m launcher`, and the one place errors are printed."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

from launcher import base_images, suite
from launcher.config import Config, make_folders, read_config
from launcher.down import down
from launcher.engine import ensure_engine
from launcher.errors import LaunchError
from launcher.keeping.backup import backup
from launcher.keeping.restore import restore
from launcher.restart import restart
from launcher.status import status
from launcher.unit import service_off, service_on
from launcher.up import up

Words = Sequence[str]
Environ = Mapping[str, str]

VERBS: dict[str, Callable[[Config, Words, Environ], int]] = {
    "up": lambda config, _, env: up(config, detach=is_set(env, "DETACH")),
    "down": lambda config, _, env: down(config, replicas=is_set(env, "REPLICAS")),
    "restart": lambda config, *_: restart(config),
    "status": lambda config, words, _: status(config, as_json="--json" in words),
    "doctor": lambda config, words, _: manage(config, *words),
    "backup": lambda config, _, env: backup(
        config, env.get("TO", ""), volumes=is_set(env, "VOLUMES")
    ),
    "restore": lambda config, _, env: restore(
        config, env.get("FROM", ""), replace=is_set(env, "REPLACE")
    ),
    "service": lambda config, _, env: service_on(config, env),
    "service-off": lambda config, *_: service_off(config),
    "images": lambda config, _, env: images(config, compose=is_set(env, "COMPOSE")),
    "test": lambda config, words, _: suite.run(config, "test", list(words[1:])),
    "test-postgres": lambda config, words, _: suite.run(
        config, "test-postgres", list(words[1:])
    ),
    "bench": lambda config, words, _: suite.run(config, "bench", list(words[1:])),
}


def main(words: Words, environ: Environ) -> int:
    verb = VERBS.get(words[0]) if words else None
    if verb is None:
        print(f"usage: python3 -m launcher {'|'.join(VERBS)}", file=sys.stderr)
        return 2
    try:
        return verb(read_config(environ), words, environ)
    except LaunchError as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 1


def images(config: Config, *, compose: bool) -> int:
    make_folders(config)
    ensure_engine(config)
    if compose:
        return base_images.ensure_compose(config, asked=True)
    return base_images.ensure(config, asked=True)


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
