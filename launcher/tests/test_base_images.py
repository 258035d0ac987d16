"""The base image: never another's, always one that builds."""

import io
import json
import os
import shutil
import tarfile

import pytest

from launcher import base_images
from launcher.base_images import LABEL, command, ensure, image_labels
from launcher.config import make_folders, read_config
from launcher.debian import Machine
from launcher.errors import LaunchError
from launcher.recipes import COMPOSE, PYTHON, Built, context, fingerprint
from launcher.wire import ask, json_lines

MACHINE = Machine(
    suite="trixie",
    sources={"debian.list": "deb http://mirror.lab/debian trixie main\n"},
    apt_conf=('Acquire::http::Proxy "http://proxy.lab:3142";',),
    pip_conf="[global]\nindex-url = https://pypi.lab/simple\n",
    certificates={"lab.crt": "PEM"},
)


@pytest.fixture
def config(tmp_path):
    found = read_config({"PATH": os.environ["PATH"], "ALIGHT_HOME": str(tmp_path)})
    make_folders(found)
    yield found
    # Outside of tmp_path where that is too long for a socket.
    shutil.rmtree(found.run)


def test_the_machine_s_settings_go_in_for_the_right_release(tmp_path):
    words = command(PYTHON, MACHINE, tmp_path, tmp_path / "root.tar")
    tree = tmp_path / "tree"
    source = tree / "etc/apt/sources.list.d/debian.list"
    assert source.read_text() == "deb http://mirror.lab/debian bookworm main\n"
    assert words[-3:] == ["bookworm", str(tmp_path / "root.tar"), str(source)]
    assert '--aptopt=Acquire::http::Proxy "http://proxy.lab:3142"' in words
    assert (tree / "etc/pip.conf").read_text() == MACHINE.pip_conf
    added = tree / "usr/local/share/ca-certificates/lab.crt"
    assert added.read_text() == "PEM"


def test_the_mark_follows_what_goes_in():
    changed = Machine(**{**vars(MACHINE), "pip_conf": "[global]\n"})
    assert fingerprint(PYTHON, MACHINE) == fingerprint(PYTHON, Machine(**vars(MACHINE)))
    assert fingerprint(PYTHON, MACHINE) != fingerprint(PYTHON, changed)


@pytest.mark.parametrize(
    ("labels", "asked", "made"),
    [
        ({}, False, False),
        ({}, True, False),
        ({"maintainer": "another"}, True, False),
        ({LABEL: "old"}, False, False),
        ({LABEL: "old"}, True, True),
        (None, False, True),
    ],
)
def test_an_image_of_others_is_left_alone(config, monkeypatch, labels, asked, made):
    calls = []
    monkeypatch.setattr(base_images, "image_labels", lambda host, image: labels)
    monkeypatch.setattr(base_images, "pull", lambda config, recipe: False)
    monkeypatch.setattr(
        base_images, "make_stand_in", lambda config, recipe, have: calls.append(have)
    )
    ensure(config, asked=asked)
    assert bool(calls) is made


def test_what_is_built_has_its_base_first(config, monkeypatch):
    made = []
    monkeypatch.setattr(base_images, "image_labels", lambda host, image: None)
    monkeypatch.setattr(base_images, "pull", lambda config, recipe: False)
    monkeypatch.setattr(
        base_images,
        "make_stand_in",
        lambda config, recipe, have: made.append(recipe.image),
    )
    base_images.ensure_compose(config)
    assert made.index("debian:trixie-slim") < made.index("postgres:17")
    assert {recipe.image for recipe in COMPOSE} <= set(made)


@pytest.mark.parametrize(
    "recipe", [one for one in COMPOSE if isinstance(one, Built)], ids=lambda r: r.image
)
def test_a_folder_is_packed_the_same_each_time(recipe):
    assert context(recipe) == context(recipe)
    with tarfile.open(fileobj=io.BytesIO(context(recipe))) as tar:
        assert {"Dockerfile", "entrypoint"} == set(tar.getnames())
        assert tar.getmember("entrypoint").mode & 0o111


def test_a_start_goes_on_without_it_and_says_so(config, monkeypatch, capsys):
    def fail(config, recipe, have):
        raise LaunchError("No way to the mirror.", "Mend it.")

    monkeypatch.setattr(base_images, "image_labels", lambda host, image: None)
    monkeypatch.setattr(base_images, "pull", lambda config, recipe: False)
    monkeypatch.setattr(base_images, "make_stand_in", fail)
    assert ensure(config) == 1
    assert "make images" in capsys.readouterr().out
    with pytest.raises(LaunchError):
        ensure(config, asked=True)


def test_another_distribution_hears_how_to_carry_it_over(config, monkeypatch):
    monkeypatch.setattr(base_images, "read_machine", lambda python: None)
    with pytest.raises(LaunchError, match="docker save"):
        base_images.make_stand_in(config, PYTHON, have=None)


@pytest.mark.docker
def test_a_dockerfile_builds_on_it_and_reaches_pypi(docker_engine):
    """What the catalogue's contexts ask of it; make test has made or pulled it."""
    assert image_labels(docker_engine) is not None
    name = f"alight-test-base:{os.getpid()}"
    dockerfile = (
        "FROM python:3.11-slim\n"
        "RUN pip install --no-cache-dir sqlparse && apt-get update -qq\n"
        'RUN python -c "import sqlparse; assert sqlparse.__file__.startswith('
        "'/usr/local/lib/python3.11/site-packages')\"\n"
    )
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as tar:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(dockerfile)
        tar.addfile(info, io.BytesIO(dockerfile.encode()))
    path = f"/build?t={name}&forcerm=1&nocache=1"
    try:
        answer = ask(docker_engine, "POST", path, body=body.getvalue(), timeout=300)
        events = list(json_lines(answer))
        assert answer.status == 200
        assert not [e["error"] for e in events if "error" in e], json.dumps(events)
    finally:
        ask(docker_engine, "DELETE", f"/images/{name}").read()
