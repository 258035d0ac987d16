"""The systemd unit: what is in it, and what must not be."""

import os

import pytest

from launcher import unit
from launcher.config import ROOT, read_config, unit_file
from launcher.errors import LaunchError


def text(user="ada", python="/usr/bin/python3", **settings):
    outside = {k: v for k, v in os.environ.items() if not k.startswith("ALIGHT_")}
    environ = {**outside, **settings}
    return unit.unit_text(read_config(environ), environ, user, python)


def parsed(words):
    """{section: {key: [values]}} of the unit."""
    found, section = {}, None
    for line in words.splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return found


def test_it_runs_what_make_up_runs_as_this_user_and_ends_it_in_order():
    found = parsed(text())
    service = found["Service"]
    assert service["User"] == ["ada"]
    assert service["WorkingDirectory"] == [str(ROOT)]
    assert service["ExecStart"] == ['"/usr/bin/python3" -m launcher up']
    # The supervisor alone is asked to end: it stops the others, the door last.
    assert service["KillMode"] == ["mixed"]
    assert float(service["TimeoutStopSec"][0]) > 90
    assert found["Install"]["WantedBy"] == ["multi-user.target"]
    assert "docker.service" in found["Unit"]["After"][0]


def test_settings_go_into_it_and_secrets_do_not():
    found = parsed(text(ALIGHT_PORT="8090", ALIGHT_ADMIN_PASSWORD="hunter2"))
    given = found["Service"]["Environment"]
    assert '"ALIGHT_PORT=8090"' in given
    assert f'"ALIGHT_HOME={ROOT / ".alight"}"' in given
    assert "hunter2" not in str(found)
    with pytest.raises(LaunchError, match="everybody may read") as refused:
        text(ALIGHT_SECRET_KEY="s3cret")
    with pytest.raises(LaunchError, match="ALIGHT_DATABASE_URL would be in a file"):
        text(ALIGHT_DATABASE_URL="postgres://alight:s3cret@db/alight")
    assert "ALIGHT_SECRET_KEY_FILE" in refused.value.todo
    assert "s3cret" not in str(refused.value)


def test_marks_that_systemd_would_read_are_escaped():
    given = parsed(text(ALIGHT_HOME='/srv/50% "a\\b'))["Service"]["Environment"]
    assert '"ALIGHT_HOME=/srv/50%% \\"a\\\\b"' in given
    with pytest.raises(LaunchError, match="more than one line"):
        text(ALIGHT_DOMAIN="a\nUser=root")


def test_each_home_has_a_unit_of_its_own():
    names = {
        unit_file(read_config({"ALIGHT_HOME": home}).home).name
        for home in ("", "/srv/alight", "/srv/other")
    }
    assert names == {
        "alight.service",
        "alight-srv-alight.service",
        "alight-srv-other.service",
    }


def test_a_home_whose_sockets_are_elsewhere_is_refused(tmp_path):
    with pytest.raises(LaunchError, match="too long"):
        text(ALIGHT_HOME=str(tmp_path / ("x" * 100)))


def test_without_systemd_it_says_what_to_do_instead(monkeypatch):
    monkeypatch.setattr(unit, "program", lambda name: None)
    with pytest.raises(LaunchError, match="systemd does not run here"):
        unit.service_on(read_config({}), {})
