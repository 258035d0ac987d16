"""What runs in the containers of docker-compose.yml, and how it is asked for."""

import os
import socket
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest
import yaml

from launcher import inside, look
from launcher.config import ROOT, make_folders, read_config
from tests.ports import free_port


@pytest.fixture
def config(tmp_path):
    given = {"PATH": os.environ["PATH"], "ALIGHT_HOME": str(tmp_path / "home")}
    given["ALIGHT_PORT"] = str(free_port())
    found = read_config({**given, "XDG_RUNTIME_DIR": ""})
    make_folders(found)
    return found


COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def looked(config, name):
    """The exit code of what docker-compose.yml asks, and what that said."""
    inside.note_look(config, name)
    kind, *words, place = COMPOSE["services"][name]["healthcheck"]["test"]
    assert kind == "CMD"
    # Where the home is in the image.
    place = place.replace("/var/lib/alight/run", str(config.run))
    done = subprocess.run([*words, place], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, done.stdout


@contextmanager
def listening(config, name, answer):
    """Takes one connection where this service is asked and says this, or, without,
    nothing; what was asked."""
    if name == "ingress":
        place = socket.create_server((config.bind[0], config.port))
    else:
        path = config.run / f"{name}.sock"
        path.unlink(missing_ok=True)
        place = socket.socket(socket.AF_UNIX)
        place.bind(str(path))
        place.listen()
    asked = []

    def serve():
        with place, place.accept()[0] as link:
            asked.append(link.recv(4096).decode())
            link.sendall(answer)
            # Until the other side has had enough.
            link.recv(1)

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    yield asked
    server.join(30)
    assert not server.is_alive()


ASKED = ("web", "worker", "ingress")


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize(
    ("said", "status", "why"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", 0, ""),
        (b"HTTP/1.1 503 -\r\n\r\n", 1, "It answered 503.\n"),
        (b"+PONG\r\n", 1, "It does not speak HTTP.\n"),
    ],
)
def test_each_is_asked_where_it_answers(config, name, said, status, why):
    with listening(config, name, said) as asked:
        assert looked(config, name) == (status, why)
    first, *headers = asked[0].split("\r\n")
    assert first == "GET /healthz HTTP/1.1"
    assert f"Host: {config.domain}:{config.port}" in headers
    assert asked[0].endswith("\r\n\r\n")


@pytest.mark.parametrize("name", ASKED)
def test_one_that_nobody_serves_is_not_well(config, name):
    status, why = looked(config, name)
    assert status == 1
    assert "No such file" in why or "refused" in why


def test_where_only_https_leads_on_the_ingress_is_well(config):
    with listening(config, "ingress", b"HTTP/1.1 301 -\r\n\r\n"):
        assert looked(config, "ingress") == (0, "")
    with listening(config, "web", b"HTTP/1.1 301 -\r\n\r\n"):
        assert looked(config, "web")[0] == 1


@pytest.mark.parametrize("name", ASKED)
def test_one_that_is_frozen_is_not_well(config, name, monkeypatch):
    """It takes the connection and says nothing; or a part of a line."""
    monkeypatch.setattr(look, "PATIENCE", 0.2)
    inside.note_look(config, name)
    for said in (b"", b"HTTP/1.1 200"):
        with listening(config, name, said):
            assert look.main([str(inside.look_file(config, name))]) == 1


def test_beat_is_well_while_what_it_sends_arrives(config):
    assert looked(config, "beat")[0] == 1, "it has sent nothing"
    pulse = config.run / "beat-pulse"
    pulse.write_text(f"{time.monotonic()}")
    assert looked(config, "beat") == (0, "")
    pulse.write_text(f"{time.monotonic() - 61}")
    status, why = looked(config, "beat")
    assert (status, why[:20]) == (1, "No sign of life for ")
    pulse.write_text("")
    assert looked(config, "beat")[0] == 1


def test_a_look_loads_next_to_nothing():
    """Four of them run every ten seconds for as long as the stack does."""
    told = (
        "import sys; had = set(sys.modules); file = open('launcher/look.py');"
        "exec(file.read(), {'__name__': 'look'}); print(*set(sys.modules) - had)"
    )
    done = subprocess.run(
        ["python3", "-I", "-S", "-c", told], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.split() == ["_socket"], done.stderr


def test_an_ingress_that_was_away_for_long_has_its_files_written_anew(
    config, monkeypatch
):
    ran = []

    class Done:
        returncode = 0

    monkeypatch.setattr(
        inside.subprocess, "run", lambda words, **_: ran.append(words[-1]) or Done()
    )
    service = inside.SERVICES["ingress"](config)
    cfg = config.haproxy_cfg
    inside.get_ready(config, service)
    assert ran == ["write_ingress", str(cfg)]
    cfg.write_text("")
    ran.clear()
    inside.get_ready(config, service)
    assert ran == [str(cfg)], "its last state"
    os.utime(cfg, (0, time.time() - inside.FRESH_SECONDS - 1))
    ran.clear()
    inside.get_ready(config, service)
    assert ran == ["write_ingress", str(cfg)]


def test_what_fails_before_a_start_ends_it(config, monkeypatch):
    class Failed:
        returncode = 7

    monkeypatch.setattr(inside.subprocess, "run", lambda *_, **__: Failed())
    monkeypatch.setenv("ALIGHT_HOME", str(config.home))
    assert inside.main(["ingress"]) == 7
    assert inside.main(["prepare"]) == 7


def test_other_words_are_told_what_there_is(capsys):
    assert inside.main(["healthy", "everything"]) == 2
    assert "python -m launcher.inside" in capsys.readouterr().err
