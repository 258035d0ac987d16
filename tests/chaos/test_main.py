"""The words of `make chaos` reach the run, and its report is written."""

import json
from contextlib import nullcontext

import pytest

from tests.chaos import __main__ as program
from tests.chaos.report import Report, Violation
from tests.chaos.run import Run


@pytest.fixture
def played(monkeypatch):
    """Runs that were to be played: (run, first round, minutes). Each finds `wrong`."""
    runs, wrong = [], []

    def play(run, plan, until):
        runs.append((run, next(plan), until))
        return run.report

    def begin(run, stage, seed, folder, *, say):
        run.stage, run.folder, run.say = stage, folder, say
        run.report = Report(seed, violations=list(wrong))

    monkeypatch.setattr(Run, "__init__", begin)
    monkeypatch.setattr(Run, "play", play)
    monkeypatch.setattr(program, "stage", nullcontext)
    return runs, wrong


def test_the_words_reach_the_run(played, tmp_path, capsys):
    runs, _ = played
    words = ["--seed", "7", "--minutes", "2", "--patience", "9", "--go-on"]
    assert program.main([*words, "--out", str(tmp_path / "new")]) == 0
    ((run, first, _),) = runs
    assert (run.patience, run.go_on, first.number) == (9, True, 1)
    run.say("a line")
    told = capsys.readouterr().out
    assert "Seed 7" in told
    assert "a line" in told
    assert json.loads((tmp_path / "new" / "report.json").read_text())["seed"] == 7
    assert "Seed 7" in (tmp_path / "new" / "report.txt").read_text()


def test_a_violation_is_its_exit_code(played, tmp_path):
    played[1].append(Violation(1, "pause", "no wish lost", ["c001 is gone"]))
    assert program.main(["--out", str(tmp_path)]) == 1


def test_a_plan_is_only_printed(played, capsys):
    assert program.main(["--seed", "7", "--plan", "2"]) == 0
    assert capsys.readouterr().out.count("round") == 2
    assert played[0] == []
