"""make down REPLICAS=1 removes what is ours and nothing else."""

import json
import os
import uuid
from dataclasses import replace

import pytest

from launcher.config import read_config
from launcher.errors import LaunchError
from launcher.recipes import PYTHON
from launcher.replicas import LABEL, installation, remove_replicas
from launcher.wire import ask


@pytest.fixture
def config(tmp_path):
    env = {"PATH": os.environ["PATH"], "ALIGHT_HOME": str(tmp_path)}
    return read_config({**env, "ALIGHT_INSTALLATION": uuid.uuid4().hex})


def container(docker_engine, name):
    """Start a container of that installation; its id."""
    body = json.dumps(
        {"Image": PYTHON.image, "Cmd": ["sleep", "600"], "Labels": {LABEL: name},
         "HostConfig": {"Init": True}}
    ).encode()  # fmt: skip
    headers = {"Content-Type": "application/json"}
    path = "/containers/create"
    made = json.load(ask(docker_engine, "POST", path, body=body, headers=headers))
    ask(docker_engine, "POST", f"/containers/{made['Id']}/start").read()
    return made["Id"]


@pytest.mark.docker
def test_only_this_installation_s_containers_go(config, docker_engine):
    other = replace(config, env={**config.env, "ALIGHT_INSTALLATION": "f" * 12})
    mine = container(docker_engine, installation(config))
    theirs = container(docker_engine, installation(other))
    try:
        here = replace(config, docker_host=docker_engine)
        assert remove_replicas(here) == 1
        assert ask(docker_engine, "GET", f"/containers/{mine}/json").status == 404
        seen = json.load(ask(docker_engine, "GET", f"/containers/{theirs}/json"))
        assert seen["State"]["Running"]
    finally:
        for one in (mine, theirs):
            ask(docker_engine, "DELETE", f"/containers/{one}?force=1").read()


def test_an_installation_is_named_as_the_settings_name_it(config, tmp_path):
    assert installation(config) == config.env["ALIGHT_INSTALLATION"][:12]
    unnamed = read_config({"ALIGHT_HOME": str(tmp_path)})
    with pytest.raises(LaunchError, match="ALIGHT_HOME"):
        installation(unnamed)
    (tmp_path / "installation").write_text("0123456789abcdef\n")
    assert installation(unnamed) == "0123456789ab"


def test_an_engine_that_is_away_is_said(config, tmp_path):
    away = replace(config, docker_host=f"unix://{tmp_path}/none.sock")
    with pytest.raises(LaunchError, match="Replicas may still run"):
        remove_replicas(away)
