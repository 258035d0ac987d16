"""Secrets in the environment, in files, or made."""

import stat

import pytest

from console.env import BadSetting, envnetworks, envsecret, envsecret_file, envsecrets

NAME = "ALIGHT_TRIED"


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch):
    monkeypatch.delenv(NAME, raising=False)
    monkeypatch.delenv(f"{NAME}_FILE", raising=False)


def test_a_variable_comes_first_and_has_no_file(monkeypatch, tmp_path):
    monkeypatch.setenv(NAME, "one, two")
    there = tmp_path / "key"
    there.write_text("other")
    assert envsecret(NAME, there) == "one, two"
    assert envsecrets(NAME, there) == ["one", "two"]
    assert envsecret_file(NAME, there) is None


def test_a_named_file_comes_before_our_own(monkeypatch, tmp_path):
    named, own = tmp_path / "named", tmp_path / "own"
    named.write_text("new\nold\n")
    monkeypatch.setenv(f"{NAME}_FILE", str(named))
    assert envsecret_file(NAME, own) == named
    assert envsecrets(NAME, own) == ["new", "old"]
    assert not own.exists()


def test_a_named_file_that_is_not_there_stops_the_start(monkeypatch, tmp_path):
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "gone"))
    for read in (envsecret, envsecrets, envsecret_file):
        with pytest.raises(BadSetting, match="which is not there"):
            read(NAME, tmp_path / "own")


def test_a_secret_is_made_once_for_its_owner_alone(tmp_path):
    own = tmp_path / "folder" / "own"
    made = envsecret(NAME, own)
    assert len(made) == 64
    assert envsecret(NAME, own) == made
    assert stat.S_IMODE(own.stat().st_mode) == 0o600


def test_old_secrets_are_not_made(tmp_path):
    assert envsecrets(NAME, tmp_path / "own") == []
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize(
    "given", ["10.0.0.5", "10.0.0.0/8,10.1.0.5:443", "fd00::/8", "[fd00::5]:443"]
)
def test_networks_are_taken_as_written(monkeypatch, given):
    monkeypatch.setenv(NAME, given)
    assert envnetworks(NAME, ports=True) == given.split(",")


@pytest.mark.parametrize(
    "given",
    ["lab.example", "10.0.0.5:", "10.0.0.5:70000", "10.0.0.5:-1", "10.0.0.0/40"],
)
def test_what_is_no_network_stops_the_start(monkeypatch, given):
    monkeypatch.setenv(NAME, given)
    with pytest.raises(BadSetting, match=f'{NAME} has "{given}"'):
        envnetworks(NAME, ports=True)


def test_a_port_is_refused_where_it_would_be_ignored(monkeypatch):
    monkeypatch.setenv(NAME, "10.0.0.5:443")
    with pytest.raises(BadSetting, match="Write it as"):
        envnetworks(NAME)
