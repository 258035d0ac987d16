"""Only what is missing is installed, and it is said first."""

import os
import shutil

import pytest

from launcher import install
from launcher.config import make_folders, read_config
from launcher.errors import LaunchError
from launcher.install import Missing, find_missing, resolves_localhost_names


@pytest.fixture
def config(tmp_path):
    (tmp_path / "requirements.txt").write_text("one==1\ntwo==2\n")
    env = {"PATH": os.environ["PATH"], "ALIGHT_HOME": str(tmp_path / "home")}
    found = read_config(env, tmp_path)
    make_folders(found)
    yield found
    # Outside of tmp_path where that is too long for a socket.
    shutil.rmtree(found.run)


def has(monkeypatch, *programs):
    monkeypatch.setattr(
        install, "program", lambda name: f"/bin/{name}" if name in programs else None
    )
    monkeypatch.setattr(install, "resolves_localhost_names", lambda: True)
    monkeypatch.setattr(install, "_has_ensurepip", lambda: True)
    monkeypatch.setattr(install, "_apparmor_is_on", lambda: False)


def make_environment(config):
    config.python.parent.mkdir(parents=True)
    config.python.write_text("")
    stamp = install._fingerprint(config.root / "requirements.txt")
    (config.venv / ".requirements.txt.sha256").write_text(stamp)


def test_a_bare_machine_needs_all(config, monkeypatch):
    has(monkeypatch)
    monkeypatch.setattr(install, "resolves_localhost_names", lambda: False)
    monkeypatch.setattr(install, "_has_ensurepip", lambda: False)
    found = find_missing(config, engine_answers=False, browser=True)
    assert found.needed == (
        "docker.io",
        "ca-certificates",
        "haproxy",
        "python3-venv",
        "chromium",
        "busybox-static",
        "nftables",
        "openssl",
    )
    assert found.nice == ("libnss-myhostname",)
    assert [path.name for path in found.requirements] == ["requirements.txt"]


def test_a_machine_that_has_all_needs_nothing(config, monkeypatch):
    has(monkeypatch, "dockerd", "haproxy", "chromium", "busybox", "nft", "openssl")
    make_environment(config)
    assert not find_missing(config, engine_answers=False, browser=True)


def test_an_engine_that_answers_is_enough_without_the_package(config, monkeypatch):
    has(monkeypatch, "haproxy")
    assert find_missing(config, engine_answers=True).needed == ()


def test_changed_requirements_are_installed_again(config, monkeypatch):
    has(monkeypatch, "dockerd", "haproxy")
    make_environment(config)
    (config.root / "requirements.txt").write_text("one==2\n")
    assert find_missing(config, engine_answers=True).requirements


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("hosts: files dns", False),
        ("hosts: files myhostname dns", True),
        ("hosts: mymachines resolve [!UNAVAIL=return] files dns", True),
        ("passwd: files myhostname", False),
    ],
)
def test_whether_names_below_localhost_resolve(tmp_path, line, answers):
    file = tmp_path / "nsswitch.conf"
    file.write_text(f"passwd: files\n{line}\n")
    assert resolves_localhost_names(file) is answers


def test_what_is_installed_is_said_before_it_is_done(config, monkeypatch, capsys):
    done = []
    monkeypatch.setattr(install, "_apt", lambda *a: done.append(capsys.readouterr()))
    monkeypatch.setattr(install, "_pip", lambda *a: None)
    wanted = (config.root / "requirements.txt",)
    install.install(config, Missing(("haproxy",), ("nss",), wanted))
    assert "with apt: haproxy, nss" in done[0].out
    assert "2 Python packages of requirements.txt" in done[0].out


def test_without_root_and_sudo_the_command_to_run_is_named(monkeypatch):
    monkeypatch.setattr(install.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(install.shutil, "which", lambda *a, **k: None)
    with pytest.raises(LaunchError, match="Run as root: apt-get install haproxy"):
        install.as_root("sudo apt-get install haproxy")


def failing_apt(config, monkeypatch):
    def refuse(*args, **more):
        raise LaunchError("The mirror is away.", "Mend it.")

    monkeypatch.setattr(install, "apt_install", refuse)


def test_a_package_that_is_only_nice_stops_nobody(config, monkeypatch, capsys):
    failing_apt(config, monkeypatch)
    install.install(config, Missing(nice=("libnss-myhostname",)))
    assert "browsers and curl" in capsys.readouterr().out


def test_a_package_that_is_needed_does(config, monkeypatch):
    failing_apt(config, monkeypatch)
    with pytest.raises(LaunchError, match="mirror is away"):
        install.install(config, Missing(needed=("haproxy",)))
