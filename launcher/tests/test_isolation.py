"""The rules around replicas go when nobody is behind them any more."""

import json
import os
from dataclasses import replace

import pytest

from launcher import isolation, status
from launcher.config import make_folders, read_config
from launcher.errors import LaunchError

NOTE = {"fenced": True, "way": "here", "text": "Replicas are fenced in, by iptables."}


@pytest.fixture
def config(tmp_path):
    env = {"PATH": os.environ["PATH"], "ALIGHT_HOME": str(tmp_path / "home")}
    made = read_config({**env, "ALIGHT_INSTALLATION": "lab"})
    # A "python" that writes down what it was asked.
    program = tmp_path / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    program.chmod(0o755)
    made = replace(made, root=tmp_path)
    make_folders(made)
    return made


def note(config, **changes):
    file = config.run / "isolation.json"
    file.write_text(json.dumps(NOTE | changes))


def asked(config):
    file = config.root / "asked"
    return file.read_text() if file.exists() else ""


def behind(monkeypatch, count):
    """So many replicas run; an error for an engine that is away."""

    def count_running(_config):
        if isinstance(count, Exception):
            raise count
        return count

    monkeypatch.setattr(isolation, "count_running", count_running)


def test_they_go_with_the_last_replica(config, monkeypatch):
    note(config)
    behind(monkeypatch, 0)
    isolation.remove_unneeded(config)
    assert asked(config) == "manage.py isolation --remove\n"


@pytest.mark.parametrize("count", [1, LaunchError("away", "start it")])
def test_they_stay_while_replicas_may_run(config, monkeypatch, count):
    note(config)
    behind(monkeypatch, count)
    isolation.remove_unneeded(config)
    assert asked(config) == ""


@pytest.mark.parametrize("way", ["off", ""])
def test_what_was_never_put_up_is_not_removed(config, monkeypatch, way):
    behind(monkeypatch, 0)
    isolation.remove_unneeded(config)
    note(config, way=way)
    isolation.remove_unneeded(config)
    assert asked(config) == ""


def test_a_failure_is_said(config, monkeypatch, capsys):
    config.python.write_text("#!/bin/sh\necho CommandError: no rights >&2; exit 1\n")
    note(config)
    behind(monkeypatch, 0)
    isolation.remove_unneeded(config)
    assert "CommandError: no rights" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[]", '{"text": 3}', "not json"])
def test_a_note_that_cannot_be_read_is_none(config, text):
    (config.run / "isolation.json").write_text(text)
    assert isolation.noted(config) == {}


def test_status_tells_how_it_stands(config, monkeypatch, capsys):
    row = status.Row("supervisor", 1, 1, 1.0, 1.0)
    monkeypatch.setattr(
        status, "look", lambda config, name: row if name == row.name else None
    )
    note(config, fenced=False, text="Replicas are not fenced in: no rights")
    status.status(config)
    assert "Replicas are not fenced in: no rights" in capsys.readouterr().out
    status.status(config, as_json=True)
    assert json.loads(capsys.readouterr().out)["fenced"] is False
