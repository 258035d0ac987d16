"""Where things are, from the environment alone."""

import os
from pathlib import Path

import pytest

from launcher.config import RUN_BYTES, read_config, read_port, short_run
from launcher.errors import LaunchError

ROOT = Path("/srv/alight")


def test_state_is_below_the_repository_unless_said_otherwise():
    config = read_config({}, ROOT)
    assert config.home == ROOT / ".alight"
    assert config.run == config.home / "run"
    assert config.url == "http://localhost:8080"


def test_a_home_given_in_relation_is_seen_from_the_repository():
    assert read_config({"ALIGHT_HOME": "state"}, ROOT).home == ROOT / "state"


def test_processes_get_the_paths_and_never_the_password():
    env = read_config(
        {"ALIGHT_ADMIN_PASSWORD": "hunter2", "DETACH": "1", "PATH": "/bin"}, ROOT
    ).env
    assert env["ALIGHT_WEB_SOCKET"] == str(ROOT / ".alight/run/web.sock")
    assert env["ALIGHT_WORKER_SOCKET"] == str(ROOT / ".alight/run/worker.sock")
    assert env["PATH"] == "/bin"
    assert "hunter2" not in env.values()
    assert "DETACH" not in env


def test_a_valkey_of_ones_own_is_not_started_again():
    assert read_config({}, ROOT).own_valkey
    assert not read_config({"ALIGHT_VALKEY_URL": "redis://db:6379/0"}, ROOT).own_valkey


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"ALIGHT_PORT": "9000"}, "http://localhost:9000"),
        ({"ALIGHT_PORT": "80"}, "http://localhost"),
        (
            {"ALIGHT_SCHEME": "https", "ALIGHT_DOMAIN": "gpu.example"},
            "https://gpu.example",
        ),
    ],
)
def test_the_address_people_use(environ, url):
    assert read_config(environ, ROOT).url == url


@pytest.mark.parametrize("raw", ["0", "65536", "http", "-1", "8080 ", "٣"])
def test_a_port_that_is_none_says_what_to_give(raw):
    with pytest.raises(LaunchError) as caught:
        read_port(raw)
    assert "1 to 65535" in str(caught.value)


def test_a_long_home_has_its_sockets_elsewhere_always_in_the_same_place():
    home = Path("/home") / ("long" * 30)
    run = short_run(home, {})
    assert len(os.fsencode(run)) <= RUN_BYTES
    assert run == short_run(home, {})
    assert run != short_run(home / "other", {})
    assert short_run(home, {"XDG_RUNTIME_DIR": "/run/user/7"}).parent == Path(
        "/run/user/7"
    )


def test_all_sockets_fit_into_what_the_kernel_takes():
    home = Path("/" + "h" * (RUN_BYTES - len("//run")) + "/")
    config = read_config({"ALIGHT_HOME": str(home)}, ROOT)
    # HAProxy binds under this name plus its pid and ".tmp" first.
    longest = config.env["ALIGHT_INGRESS_SOCKET"] + ".4194304.tmp"
    assert len(os.fsencode(longest)) <= 107


def test_words_for_this_make_reach_no_make_within_it():
    words = {"ARGS": "-v", "DETACH": "1", "MAKEFLAGS": " -- ARGS=-v"}
    assert not set(read_config({**words, "PATH": "/bin"}, ROOT).env) & set(words)
