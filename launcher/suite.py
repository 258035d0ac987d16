"""make test: set up all it needs, run every check and test, say how long each took.

make test-postgres: the tests that touch a database, on a PostgreSQL of its own.
"""

import os
import secrets
import shlex
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

from launcher import base_images, compose, own_postgres
from launcher.config import Config, make_folders, read_config
from launcher.engine import ensure_engine, look_for_engine, stop_engine
from launcher.install import find_missing, install
from launcher.show import say, span

# pytest and the linters name the settings they want themselves; and hundreds of Pythons
# start: where none keeps what it compiled, each compiles Alight and its tests anew.
_LEFT_OUT = {"DJANGO_SETTINGS_MODULE", "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class Stage:
    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


def stages(config: Config, words: list[str]) -> list[Stage]:
    """What make test runs, in order. words: handed to pytest, where the last counts."""
    bin_ = config.venv / "bin"
    python = str(config.python)
    # As behind a certificate, so that Django judges the settings of production.
    deploy = {
        "ALIGHT_SCHEME": "https",
        "ALIGHT_DOMAIN": "gpu.example",
        "ALIGHT_SECRET_KEY": secrets.token_urlsafe(64),
    }
    check = ("check", "--deploy", "--fail-level", "WARNING")
    return [
        Stage("ruff", (str(bin_ / "ruff"), "check", ".")),
        Stage("format", (str(bin_ / "ruff"), "format", "--check", ".")),
        Stage("imports", (str(bin_ / "lint-imports"), "--no-cache")),
        Stage("types", (str(bin_ / "mypy"), ".")),
        Stage("migrations", (python, "manage.py", "makemigrations", "--check")),
        # What is pinned fits together. Known holes: make audit, which asks outside.
        Stage("packages", (python, "-m", "pip", "check")),
        Stage("deploy", (python, "manage.py", *check), deploy),
        Stage("pytest", (python, "-m", "pytest", "-n", "auto", *words)),
    ]


def on_postgres(config: Config, words: list[str], address: str) -> list[Stage]:
    """address: of a server, for tests/postgres.py. Linters are for make test, and so is
    docker compose, which has a PostgreSQL of its own."""
    (tests,) = stages(config, [*words, "--ignore=tests/compose"])[-1:]
    return [replace(tests, env={"ALIGHT_TEST_POSTGRES": address})]


def run(config: Config, verb: str, words: list[str]) -> int:
    """Run `make test`, `make test-postgres` or `make bench`; the exit code of the first
    stage that failed.

    State goes to a folder of its own, removed afterwards: an installation that runs
    from the same checkout is not touched.
    """
    words = [part for word in words for part in shlex.split(word)]
    with tempfile.TemporaryDirectory(prefix="alight-make-") as home:
        outside = {**os.environ, "ALIGHT_HOME": home}
        config = read_config(outside, config.root)
        make_folders(config)
        clock: dict[str, float] = {}
        try:
            begun = time.monotonic()
            set_up(config, postgres=verb == "test-postgres", stack=verb == "test")
            clock["set up"] = time.monotonic() - begun
            if verb == "test-postgres":
                with own_postgres.server(config.logs / "postgres.log") as address:
                    todo = on_postgres(config, words, address)
                    return run_stages(config, todo, clock)
            make = stages if verb == "test" else benchmarks
            return run_stages(config, make(config, words), clock)
        finally:
            stop_engine(config)
            tell(clock)


def benchmarks(config: Config, words: list[str]) -> list[Stage]:
    """Every benchmark, or those whose name holds one of the words."""
    found = sorted((config.root / "benchmarks").glob("bench_*.py"))
    chosen = [p for p in found if not words or any(word in p.stem for word in words)]
    return [Stage(p.stem, (str(config.python), str(p))) for p in chosen]


def set_up(config: Config, *, postgres: bool = False, stack: bool = False) -> None:
    """Everything a test may ask for: packages, browser, engine, base image; the
    programs of a PostgreSQL where `postgres`, what docker-compose.yml asks for where
    `stack`."""
    more = (own_postgres.PACKAGE,) if postgres and not own_postgres.programs() else ()
    missing = find_missing(
        config,
        engine_answers=look_for_engine(config),
        requirements=("requirements-dev.txt",),
        browser=True,
        more=more,
    )
    with own_postgres.without_cluster() if more else nullcontext():
        install(config, missing)
    ensure_engine(config, just_installed="docker.io" in missing.needed)
    base_images.ensure(config)
    if stack:
        base_images.ensure_compose(config)
        compose.ensure(config)


def run_stages(config: Config, todo: list[Stage], clock: dict[str, float]) -> int:
    """Run all, also after one failed, so that one run shows all there is to mend."""
    failed = []
    env = {k: v for k, v in config.env.items() if k not in _LEFT_OUT}
    for stage in todo:
        say(f"\n== {stage.name}: {' '.join(short(config, stage.command))}")
        begun = time.monotonic()
        code = to_its_end(stage, config, env)
        clock[stage.name] = time.monotonic() - begun
        if code:
            failed.append((stage.name, code))
    if failed:
        say(f"\nFailed: {', '.join(name for name, _ in failed)}")
    return failed[0][1] if failed else 0


def to_its_end(stage: Stage, config: Config, env: Mapping[str, str]) -> int:
    """Its exit code. On Ctrl-C, which it got as well, wait until it has tidied up."""
    process = subprocess.Popen(
        stage.command,
        stdin=subprocess.DEVNULL,
        cwd=config.root,
        env={**env, **stage.env},
    )
    try:
        return process.wait()
    except KeyboardInterrupt:
        say("\nStopping what was begun …")
        process.wait()
        raise


def short(config: Config, command: tuple[str, ...]) -> list[str]:
    return [part.replace(f"{config.root}/", "") for part in command]


def tell(clock: dict[str, float]) -> None:
    say("\n" + "   ".join(f"{name} {span(took)}" for name, took in clock.items()))
    say(f"in all {span(sum(clock.values()))}")
