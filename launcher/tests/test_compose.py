"""Docker's compose plugin, out of a Debian package."""

import io
import tarfile

import pytest

from launcher import compose


def package(*names):
    """What dpkg-deb writes: a tar of the files it would install."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name.encode()))
    packed.seek(0)
    return tarfile.open(fileobj=packed, mode="r|")


def test_the_one_program_is_taken_out_and_can_be_run(tmp_path):
    to = tmp_path / "docker-compose"
    with package("./usr/share/doc/readme", compose._PROGRAM, "./usr/bin/x") as tar:
        compose._extract(tar, to)
    assert to.read_text() == compose._PROGRAM
    assert to.stat().st_mode & 0o111
    assert [path.name for path in tmp_path.iterdir()] == [to.name]


def test_a_package_without_it_leaves_nothing(tmp_path):
    with package("./usr/bin/other") as tar, pytest.raises(KeyError):
        compose._extract(tar, tmp_path / "docker-compose")
    assert list(tmp_path.iterdir()) == []


def test_it_is_this_user_s_own(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert compose.plugin_path() == tmp_path / "cli-plugins" / "docker-compose"
