"""python -m tests.chaos: a run as long as you like. See docs/chaos.md."""

import argparse
import secrets
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from launcher.errors import LaunchError
from tests.chaos.kinds import ALL_FAULTS, FAULTS
from tests.chaos.plan import rounds
from tests.chaos.run import PATIENCE, Run
from tests.chaos.stage import stage


def main(words=None):
    """The exit code: 1 when something was violated."""
    options = _read(words)
    seed = int(options.seed or secrets.randbelow(10**6))
    plan = rounds(seed, frozenset(options.only), server=options.postgres)
    if options.plan:
        print(*islice(plan, options.plan), sep="\n")
        return 0
    print(f"Seed {seed}", flush=True)
    try:
        report = _play(plan, seed, options)
    except LaunchError as error:
        print(error, file=sys.stderr)
        return 1
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(report.json() + "\n")
    (folder / "report.txt").write_text(report.text() + "\n")
    print(report.text())
    return 1 if report.violations else 0


def _play(plan, seed, options):
    with (
        tempfile.TemporaryDirectory() as folder,
        stage(Path(folder), server=options.postgres) as where,
    ):
        begun = time.monotonic()
        run = Run(where, seed, Path(options.out), say=_saying(begun))
        run.patience, run.go_on = options.patience, options.go_on
        return run.play(plan, begun + 60 * options.minutes)


def _read(words):
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seed", default="", help="a whole number; else by chance")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds")
    parser.add_argument("--out", default="chaos-report", help="folder of the report")
    parser.add_argument("--only", action="append", default=[], choices=ALL_FAULTS)
    parser.add_argument(
        "--postgres", action="store_true", help="on a PostgreSQL of its own"
    )
    parser.add_argument("--go-on", action="store_true", help="past violations, too")
    parser.add_argument("--plan", type=int, metavar="N", help="print N rounds only")
    options = parser.parse_args(words)
    if not options.postgres and (servers := set(options.only) - FAULTS.keys()):
        parser.error(f"{', '.join(sorted(servers))}: only with --postgres")
    return options


def _saying(begun):
    return lambda line: print(f"[{time.monotonic() - begun:6.1f}] {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
