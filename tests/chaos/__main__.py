"""python -m tests.chaos: a run as long as you like. See docs/chaos.md."""

import argparse
import itertools
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.kinds import FAULTS
from tests.chaos.plan import rounds


def main(words=None):
    options = _read(words)
    seed = int(options.seed or secrets.randbelow(10**6))
    plan = rounds(seed, frozenset(options.only))
    if options.plan:
        print(*itertools.islice(plan, options.plan), sep="\n")
        return 0
    # Needs Django's settings in the environment, which printing a plan does not.
    from tests.chaos.run import Run
    from tests.chaos.stage import stage

    folder = Path(options.out)
    print(f"Seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as hook, stage(Path(hook)) as where:
        run = Run(
            where,
            seed,
            folder,
            patience=options.patience,
            say=_say_at(time.monotonic()),
        )
        report = run.play(plan, time.monotonic() + 60 * options.minutes)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(report.json() + "\n")
    (folder / "report.txt").write_text(report.text() + "\n")
    print(report.text())
    return 1 if report.violations else 0


def _read(words):
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seed", default="", help="a whole number; else by chance")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument(
        "--patience", type=float, default=30, help="seconds to agree in"
    )
    parser.add_argument("--out", default="chaos-report", help="folder of the report")
    parser.add_argument("--only", action="append", default=[], choices=FAULTS)
    parser.add_argument("--go-on", action="store_true", help="past violations, too")
    parser.add_argument("--plan", type=int, metavar="N", help="print N rounds only")
    return parser.parse_args(words)


def _say_at(begun):
    return lambda line: print(f"[{time.monotonic() - begun:6.1f}] {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
