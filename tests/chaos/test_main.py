"""The words of `make chaos` reach the run, and its report is written."""

import json
from contextlib import nullcontext

import pytest

from launcher.errors import LaunchError
from tests.chaos import __main__ as program
from tests.chaos.report import Report, Violation
from tests.chaos.run import Run


@pytest.fixture
def played(monkeypatch):
    """Runs that were to be played: (run, first round, minutes). Each finds `wrong`;
    its stage is whether it has a server."""
    runs, wrong = [], []

    def play(run, plan, until):
        runs.append((run, next(plan), until))
        return run.report

    def begin(run, stage, seed, folder, *, say):
        run.stage, run.folder, run.say = stage, folder, say
        run.report = Report(seed, violations=list(wrong))

    monkeypatch.setattr(Run, "__init__", begin)
    monkeypatch.setattr(Run, "play", play)
    monkeypatch.setattr(program, "stage", lambda _, server: nullcontext(server))
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


@pytest.mark.parametrize("words", [[], ["--postgres"]])
def test_it_plays_on_the_database_that_was_asked_for(played, tmp_path, words):
    assert program.main([*words, "--out", str(tmp_path)]) == 0
    ((run, _, _),) = played[0]
    assert run.stage == bool(words)


def test_what_befalls_a_server_takes_one(played, capsys):
    only = ["--only", "database frozen"]
    with pytest.raises(SystemExit):
        program.main(only)
    assert "database frozen: only with --postgres" in capsys.readouterr().err
    assert program.main([*only, "--postgres", "--plan", "2"]) == 0


def test_what_is_missing_here_is_said(monkeypatch, capsys):
    def stage(_, server):
        raise LaunchError(
            "There is no PostgreSQL server here.", "Run make test-postgres"
        )

    monkeypatch.setattr(program, "stage", stage)
    assert program.main(["--postgres"]) == 1
    assert "Run make test-postgres" in capsys.readouterr().err
