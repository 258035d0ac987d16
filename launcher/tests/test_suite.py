"""What make test and make bench run."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from launcher import suite
from launcher.config import ROOT, read_config
from launcher.suite import Stage


@pytest.fixture
def config(tmp_path):
    return read_config({"ALIGHT_HOME": str(tmp_path / "home")}, tmp_path)


def test_tests_run_side_by_side_unless_words_say_otherwise(config):
    last = suite.stages(config, ["-n", "0", "-k", "sign_in"])[-1]
    words = ("-m", "pytest", "-n", "auto", "-n", "0", "-k", "sign_in")
    assert (last.name, last.command[1:]) == ("pytest", words)


def test_one_word_may_hold_several(config, monkeypatch):
    """make test ARGS="-k 'one or two'" is one argument of the launcher."""
    taken = []
    monkeypatch.setattr(suite, "set_up", lambda config, **_: None)
    monkeypatch.setattr(suite, "run_stages", lambda c, todo, clock: taken.extend(todo))
    suite.run(config, "test", ["-k 'one or two' -x"])
    assert taken[-1].command[-3:] == ("-k", "one or two", "-x")


def test_every_stage_runs_and_the_first_failure_is_the_exit_code(config, capfd):
    def python(name, code):
        return Stage(name, (sys.executable, "-c", f"print('{name} ran'); exit({code})"))

    clock = {}
    todo = [python("ruff", 0), python("types", 3), python("pytest", 5)]
    assert suite.run_stages(config, todo, clock) == 3
    said = capfd.readouterr().out
    assert "pytest ran" in said
    assert "Failed: types, pytest" in said
    assert list(clock) == ["ruff", "types", "pytest"]


def test_a_stage_has_settings_of_its_own(config, capfd):
    script = "import os; print(os.environ['ALIGHT_SCHEME'])"
    todo = [Stage("deploy", (sys.executable, "-c", script), {"ALIGHT_SCHEME": "https"})]
    assert suite.run_stages(config, todo, {}) == 0
    assert "https\n" in capfd.readouterr().out


def test_what_was_compiled_is_kept(config, capfd):
    """Whatever the shell says that runs the tests."""
    script = "import sys; print('compiles anew:', sys.dont_write_bytecode)"
    env = {**config.env, "PYTHONDONTWRITEBYTECODE": "1"}
    asked = replace(config, env=env)
    assert (
        suite.run_stages(asked, [Stage("a", (sys.executable, "-c", script))], {}) == 0
    )
    assert "compiles anew: False\n" in capfd.readouterr().out


def test_benchmarks_are_chosen_by_name(config):
    folder = config.root / "benchmarks"
    folder.mkdir()
    for name in ("bench_list", "bench_logs", "many"):
        (folder / f"{name}.py").touch()
    assert [s.name for s in suite.benchmarks(config, [])] == [
        "bench_list",
        "bench_logs",
    ]
    assert [s.name for s in suite.benchmarks(config, ["logs"])] == ["bench_logs"]


def test_state_is_in_a_folder_that_is_gone_afterwards(config, monkeypatch):
    homes = []
    monkeypatch.setattr(suite, "set_up", lambda config, **_: homes.append(config.home))
    monkeypatch.setattr(suite, "run_stages", lambda *_: 0)
    assert suite.run(config, "test", []) == 0
    assert homes[0] != config.home
    assert not homes[0].exists()


TIDIES = """
import signal, time
def tidy(*_):
    time.sleep(0.6)  # what takes a console away takes longer
    print("tidied", flush=True)
    raise SystemExit(2)
signal.signal(signal.SIGINT, tidy)
print("begun", flush=True)
signal.pause()
"""
# Who runs the tests in the background may have it ignored.
RUNS = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from launcher.config import read_config
from launcher.suite import Stage, run_stages
config = read_config({"ALIGHT_HOME": sys.argv[1]})
run_stages(config, [Stage("pytest", (sys.executable, "-c", sys.argv[2]))], {})
"""


def test_a_stage_that_is_interrupted_may_tidy_up(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", RUNS, str(tmp_path / "home"), TIDIES],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as made:
        while made.stdout.readline() != "begun\n":
            assert made.poll() is None
        os.killpg(made.pid, signal.SIGINT)
        rest, wrong = made.communicate(timeout=60)
    assert "tidied" in rest
    assert wrong.rstrip().endswith("KeyboardInterrupt")
