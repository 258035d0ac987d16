"""Asking for the engine: every answer has a next step."""

import os
import socket
from dataclasses import replace

import pytest

from launcher import engine
from launcher.config import read_config
from launcher.engine import Answer, live_restore, look_for_engine, ping
from launcher.errors import LaunchError


@pytest.fixture
def config(tmp_path):
    found = read_config({"PATH": os.environ["PATH"], "ALIGHT_HOME": str(tmp_path)})
    return replace(found, docker_host=f"unix://{tmp_path}/docker.sock")


def test_no_socket_and_a_left_over_one_are_an_absent_engine(config, tmp_path):
    assert ping(config.docker_host) is Answer.ABSENT
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(tmp_path / "docker.sock"))
    assert ping(config.docker_host) is Answer.ABSENT
    assert look_for_engine(config) is False


def test_an_engine_that_hangs_is_silent(config, tmp_path):
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "docker.sock"))
        deaf.listen()
        assert ping(config.docker_host, timeout=0.05) is Answer.SILENT


@pytest.mark.parametrize(
    ("answer", "words"),
    [(Answer.DENIED, "usermod -aG docker"), (Answer.SILENT, "restart that engine")],
)
def test_what_cannot_be_mended_here_says_who_can(config, monkeypatch, answer, words):
    monkeypatch.setattr(engine, "ping", lambda host: answer)
    with pytest.raises(LaunchError, match=words):
        look_for_engine(config)


def test_an_engine_given_by_address_is_never_started_here(config, monkeypatch):
    given = replace(config, env={**config.env, "ALIGHT_DOCKER_HOST": "tcp://node:2375"})
    monkeypatch.setattr(engine, "ping", lambda host: Answer.ABSENT)
    with pytest.raises(LaunchError, match="ALIGHT_DOCKER_HOST"):
        look_for_engine(given)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (None, ["--live-restore"]),
        ("", ["--live-restore"]),
        ('{"registry-mirrors": []}', ["--live-restore"]),
        ('{"live-restore": false}', []),
    ],
)
def test_the_engine_s_own_file_has_its_say(tmp_path, text, flags):
    file = tmp_path / "daemon.json"
    if text is not None:
        file.write_text(text)
    assert live_restore(file) == flags


@pytest.mark.docker
def test_a_real_engine_answers(docker_engine):
    assert ping(docker_engine) is Answer.YES
