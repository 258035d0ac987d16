"""CI runs both suites, whatever the first came to."""

import os
import subprocess

import pytest

from launcher.config import ROOT

MAKE = """#!/bin/sh
echo "$1 ran"
! cat | grep -q . || exit 7
case " $FAILS " in *" $1 "*) exit 2;; esac
"""


@pytest.fixture
def ci(tmp_path):
    """Runs .ci/run with a `make` whose suites of these names fail; code and words."""
    (tmp_path / "make").write_text(MAKE)
    (tmp_path / "make").chmod(0o755)

    def run(*fails):
        env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "FAILS": " ".join(fails)}
        words = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        # From anywhere, and with something to read that is not the suites'.
        done = subprocess.run(
            [ROOT / ".ci" / "run"], cwd=tmp_path, env=env, input="yes\n", **words
        )
        return done.returncode, done.stdout

    return run


def test_it_passes_when_both_do(ci):
    code, said = ci()
    assert code == 0
    assert said.splitlines() == [
        "== make test",
        "test ran",
        "== make test-postgres",
        "test-postgres ran",
        "Passed: make test; make test-postgres",
    ]


@pytest.mark.parametrize(
    ("fails", "said_last"),
    [
        (["test"], "Failed: make test (2)"),
        (["test-postgres"], "Failed: make test-postgres (2)"),
        (["test", "test-postgres"], "Failed: make test (2); make test-postgres (2)"),
    ],
)
def test_it_runs_both_and_fails_when_either_does(ci, fails, said_last):
    code, said = ci(*fails)
    assert code == 1
    assert "test-postgres ran" in said
    assert said.splitlines()[-1] == said_last
