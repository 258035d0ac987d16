"""What runs in the containers of docker-compose.yml, and how it is asked for."""

import os
import socket
import threading
import time

import pytest

from launcher import inside
from launcher.config import make_folders, read_config


@pytest.fixture
def config(tmp_path):
    given = {"PATH": os.environ["PATH"], "ALIGHT_HOME": str(tmp_path / "home")}
    found = read_config({**given, "XDG_RUNTIME_DIR": ""})
    make_folders(found)
    return found


def listen(path, status):
    """One answer with this status on a unix socket; what was asked."""
    asked = []
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def answer():
        with listening, listening.accept()[0] as link:
            asked.append(link.recv(4096).decode())
            link.sendall(f"HTTP/1.1 {status} -\r\nContent-Length: 0\r\n\r\n".encode())

    threading.Thread(target=answer, daemon=True).start()
    return asked


@pytest.mark.parametrize(("status", "well"), [(200, True), (503, False)])
@pytest.mark.parametrize("name", ["web", "worker"])
def test_each_is_asked_at_its_own_socket(config, name, status, well):
    assert not inside.healthy(config, name), "nobody listens"
    asked = listen(config.run / f"{name}.sock", status)
    assert inside.healthy(config, name) is well
    assert asked[0].startswith("GET /healthz ")


def test_beat_is_well_while_what_it_sends_arrives(config):
    assert not inside.healthy(config, "beat"), "it has sent nothing"
    pulse = config.run / "beat-pulse"
    pulse.write_text(f"{time.monotonic()}")
    assert inside.healthy(config, "beat")
    pulse.write_text(f"{time.monotonic() - 61}")
    assert not inside.healthy(config, "beat")
    pulse.write_text("")
    assert not inside.healthy(config, "beat")


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
