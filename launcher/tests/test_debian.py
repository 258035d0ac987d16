"""What a machine tells its package clients, and what of it goes into an image."""

import pytest

from launcher.debian import (
    for_suite,
    network_lines,
    os_release,
    pip_conf,
    read_machine,
    read_sources,
)

DEB822 = """\
Types: deb
URIs: http://mirror.lab/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://tools.example/apt
Suites: trixie
Components: stable
Signed-By: /etc/apt/keyrings/tools.gpg
"""
LINES = """\
# deb http://old.example/debian trixie main
deb [arch=amd64] http://mirror.lab/debian trixie main contrib
deb cdrom:[Debian]/ trixie main
deb http://mirror.lab/security trixie-security main
deb http://cloud.example/apt cloud-trixie main
deb-src http://mirror.lab/debian trixie main
"""


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "etc/apt/sources.list.d"
    folder.mkdir(parents=True)
    (folder / "debian.sources").write_text(DEB822)
    (folder / "notes.txt").write_text(DEB822)
    (tmp_path / "etc/apt/sources.list").write_text(LINES)
    (tmp_path / "etc/os-release").write_text('ID=debian\nVERSION_CODENAME="trixie"\n')
    added = tmp_path / "usr/local/share/ca-certificates/lab"
    added.mkdir(parents=True)
    (added / "lab.crt").write_text("PEM")
    return tmp_path


def test_only_debian_s_own_entries_are_taken(root):
    apt = root / "etc/apt"
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").iterdir())]
    found = read_sources(files, "trixie")
    assert sorted(found) == ["debian.sources", "sources.list"]
    assert "tools.example" not in found["debian.sources"]
    assert found["sources.list"].splitlines() == [
        "deb [arch=amd64] http://mirror.lab/debian trixie main contrib",
        "deb http://mirror.lab/security trixie-security main",
    ]


def test_entries_are_asked_for_another_release():
    sources = {"a.list": "deb http://m/debian trixie-security main\n"}
    assert for_suite(sources, "trixie", "bookworm") == {
        "a.list": "deb http://m/debian bookworm-security main\n"
    }


def test_folders_of_this_machine_stay_out_of_pip_s_file():
    listed = (
        "global.extra-index-url='file:///srv/wheels https://pypi.lab/simple'\n"
        "global.find-links='/srv/wheels'\n"
        ":env:.default-timeout='180'\n"
        "global.cert='/somewhere.pem'\n"
    )
    assert pip_conf(listed) == (
        "[global]\n"
        "cert = /etc/ssl/certs/ca-certificates.crt\n"
        "extra-index-url = https://pypi.lab/simple\n"
        "timeout = 180\n"
    )


def test_apt_s_network_settings_and_nothing_else():
    dump = (
        'APT "";\nDir "/";\nAcquire::http::Proxy "http://p:1";\n'
        'Acquire::Languages "none";\nAcquire::Check-Date "false";\n'
    )
    assert network_lines(dump) == (
        'Acquire::http::Proxy "http://p:1";',
        'Acquire::Check-Date "false";',
    )


def test_another_distribution_is_none(root):
    (root / "etc/os-release").write_text("ID=ubuntu\nVERSION_CODENAME=noble\n")
    assert read_machine(root, root) is None


def test_os_release_is_read_with_and_without_quotes():
    assert os_release('ID=debian\nNAME="Debian GNU/Linux"\n\n') == {
        "ID": "debian",
        "NAME": "Debian GNU/Linux",
    }
