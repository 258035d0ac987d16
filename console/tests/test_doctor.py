"""`manage.py doctor`: what each check says; a part that hangs stops nothing."""

import json
import os
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone

from console.doctor import (
    clock,
    database,
    disk,
    drift,
    engine,
    permissions,
    place,
    port,
    postgres,
    processes,
    versions,
)
from console.doctor.finding import CannotLook, Level, as_json, as_lines, fine, wrong
from console.doctor.running import examine
from console.management.commands import doctor
from endpoints.ingress.fake import FakeIngress
from endpoints.tests.factories import EndpointFactory
from launcher.database import read_url
from launcher.engine import Answer
from replicas.engine import names
from replicas.engine.base import Observed
from replicas.states import ReplicaState as S
from replicas.tests.factories import GpuFactory, ReplicaFactory

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def levels(findings):
    return [f.level for f in findings]


# --- all together ----------------------------------------------------------------


class Prompt(threading.Thread):
    """Its check has said all it has to before the time begins, unless it hangs."""

    def start(self):
        name = self._args[0]
        super().start()
        if name != "a":
            self.join()


def test_one_that_hangs_and_one_that_fails_leave_the_others_their_say(monkeypatch):
    monkeypatch.setattr("console.doctor.running.threading.Thread", Prompt)
    forever = threading.Event()

    def hangs():
        forever.wait()
        return []

    def fails():
        raise RuntimeError("no")

    def away():
        raise CannotLook("there is no database.")

    checks = {"a": hangs, "b": fails, "c": away, "d": lambda: [fine("good")]}
    found = examine(checks, seconds=0.2)
    forever.set()
    assert [f.check for f in found] == ["a", "b", "c", "d"]
    assert levels(found) == [Level.WRONG, Level.WRONG, Level.NOTE, Level.OK]
    assert found[0].text == "No answer within 0.2 s."
    assert "RuntimeError: no" in found[1].text


def test_the_exit_code_and_both_forms(monkeypatch, capsys):
    bad = wrong("The disk is full.", "Free some space.")
    checks = {"disk": lambda: [bad], "port": lambda: [fine("It is ours.")]}
    monkeypatch.setattr(doctor, "CHECKS", checks)
    with pytest.raises(SystemExit) as ended:
        call_command("doctor")
    assert ended.value.code == 1
    out = capsys.readouterr().out
    assert "wrong disk         The disk is full." in out
    assert "→ Free some space." in out
    assert "1 thing needs mending." in out
    checks["disk"] = lambda: [fine("There is room.")]
    call_command("doctor", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert told["findings"][0]["check"] == "disk"
    assert as_lines([])[-1] == "Nothing needs mending."
    assert as_json([bad])["ok"] is False


# --- one by one --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gigabytes", "files", "level"),
    [
        (80, 10**6, Level.OK),
        (2, 10**6, Level.NOTE),
        (0.1, 10**6, Level.WRONG),
        (80, 12, Level.WRONG),
    ],
)
def test_room_on_a_disk(gigabytes, files, level):
    found = disk.judge("state", Path("/srv"), int(gigabytes * 1024**3), files)
    assert found.level is level
    assert bool(found.mend) is (level is not Level.OK)


@pytest.mark.parametrize("answer", [Answer.DENIED, Answer.SILENT, Answer.ABSENT])
def test_an_engine_that_does_not_answer_has_its_next_step(answer):
    found = engine.away(answer, "unix:///x.sock")
    assert found.level is Level.WRONG
    assert "/x.sock" in found.text
    assert found.mend


def test_an_engine_that_is_too_old_or_ends_replicas_with_it():
    old = engine.judge("h", {"Version": "19.03", "ApiVersion": "1.40"}, {})
    assert (old.level, "1.41 is needed" in old.text) == (Level.WRONG, True)
    new = {"Version": "28.0", "ApiVersion": "1.48"}
    assert engine.judge("h", new, {}).level is Level.NOTE
    assert engine.judge("h", new, {"LiveRestoreEnabled": True}).level is Level.OK


def test_state_that_others_may_read(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    found = permissions.judge(home, home.stat(), os.geteuid(), private=True)
    assert found.mend == f"chmod go= {home}"
    home.chmod(0o700)
    assert permissions.judge(home, home.stat(), os.geteuid(), private=True) is None
    theirs = permissions.judge(home, home.stat(), os.geteuid() + 1, private=True)
    assert "belongs to user" in theirs.text


def test_the_clock():
    late = NOW + timedelta(minutes=10)
    assert levels(clock.judge(NOW, NOW, NOW, followed=True)) == [Level.OK]
    (ahead,) = clock.judge(NOW, late, None, followed=True)
    assert "600 s in the future" in ahead.text
    (apart,) = clock.judge(NOW, None, late, followed=True)
    assert "600 s apart" in apart.text
    assert levels(clock.judge(NOW, NOW, NOW, followed=False)) == [Level.NOTE]
    told = clock.read("2026-03-01T12:00:00.123456789Z")
    assert told == NOW + timedelta(microseconds=123456)
    assert clock.read("") is None


def test_a_damaged_database_is_told_from_a_whole_one(tmp_path):
    path = tmp_path / "a.sqlite3"
    with sqlite3.connect(path) as link:
        link.execute("create table t (a)")
        link.executemany("insert into t values (?)", [("x" * 500,)] * 200)
    link.close()
    assert database.judge(path, ["ok"]).level is Level.OK
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\0" * 8192)
    found = database._whole(path)
    assert found.level is Level.WRONG
    assert "damaged" in found.text


def test_migrations_of_another_version():
    (newer,) = database.migrations(missing=[], unknown=["replicas.0099_x"])
    assert "newer Alight" in newer.text
    (older,) = database.migrations(missing=["replicas.0099_x"], unknown=[])
    assert older.mend.startswith("make down")
    assert database.migrations([], []) == []


def test_packages_and_programs_of_another_version():
    pins = versions.read_pins("# a comment\ndjango==5.2.8\nuvicorn[standard]==0.3\n")
    assert pins == {"django": "5.2.8", "uvicorn": "0.3"}
    other = versions.packages(pins, {"django": "4.2", "uvicorn": "0.3"})
    assert "django is 4.2, not 5.2.8" in other.text
    assert versions.packages(pins, dict(pins)).level is Level.OK
    assert versions.haproxy("HAProxy version 2.4.1-x 2022").level is Level.WRONG
    assert versions.haproxy("HAProxy version 3.2.0 2025").level is Level.OK
    assert versions.haproxy("").mend == "make up installs it."
    (old,) = versions.code(200.0, {"web": 100.0, "worker": 300.0})
    assert old.text.startswith("web runs older code")
    assert versions.code(200.0, {"web": 0.0, "worker": 300.0}) == []


def test_a_port_that_somebody_else_holds():
    assert port._judge("haproxy (pid 7)", [6, 7], 8080).level is Level.OK
    taken = port._judge("nginx (pid 70)", [6, 7], 8080)
    assert "held by nginx (pid 70)" in taken.text


# --- drift ---------------------------------------------------------------------


def container(endpoint, replica_id, *, running=True, name="c"):
    labels = names.container_labels("inst", endpoint, replica_id, 1)
    return Observed(
        name, name, labels, "n", running, False, None, False, "", None, None
    )


@pytest.mark.django_db
def test_rows_and_containers_that_tell_different_stories():
    art = EndpointFactory(name="art")
    long_ago = timezone.now() - timedelta(hours=1)
    without = ReplicaFactory(endpoint=art, ready=True, since=long_ago)
    ended = ReplicaFactory(endpoint=art, number=2, ready=True, since=long_ago)
    ReplicaFactory(endpoint=art, number=3, ready=True)  # a moment ago
    found = [
        container("art", ended.pk, running=False),
        container("old", 77, name="left"),
        *(container("art", 5, name=name) for name in "ab"),
    ]
    rows = art.replicas.all()
    assert drift.compare(rows, found, {"art"}, timezone.now()) == [
        "Container left runs for an endpoint that is no more.",
        "2 containers carry the labels of replica 5, start 1.",
        f"Replica {without.number} of art is ready and has no container.",
        f"Replica {ended.number} of art is ready, and its container has ended.",
    ]


@pytest.mark.django_db
def test_routes_that_differ_and_gpus_that_nobody_holds(monkeypatch):
    ingress = FakeIngress()
    monkeypatch.setattr(drift, "get_ingress", lambda: ingress)
    monkeypatch.setattr(drift, "_BETWEEN", 0.0)
    EndpointFactory(name="art")
    (missing,) = drift.twice(drift._ingress)
    assert missing.text == "art has no route in the ingress."
    assert "reconcile --dry-run" in missing.mend
    # What passes in a moment is no drift.
    seen = iter([["art"], []])
    assert drift.twice(lambda: next(seen)) == []
    GpuFactory(replica=ReplicaFactory(state=S.STOPPED))
    assert "which has ended" in drift._gpus()[0].text
    ingress.reachable = False
    with pytest.raises(CannotLook):
        drift.twice(drift._ingress)


def test_nothing_is_made_where_nothing_is(tmp_path, monkeypatch):
    monkeypatch.setattr(place, "database", lambda: tmp_path / "no.sqlite3")
    with pytest.raises(CannotLook):
        place.need_database()
    assert database.check()[0].text.startswith("There is no database")
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_away_hides_nothing_else(settings, monkeypatch):
    settings.ALIGHT_KEPT_BY = "compose"
    server = read_url("postgres://alight@/alight?host=/run/postgresql")
    told = postgres.unreachable(server, "No such file or directory")
    assert "docker compose ps; docker compose logs postgres" in told.mend

    class Away:
        class objects:
            def exclude(**_):
                raise OperationalError

    monkeypatch.setattr(processes, "Node", Away)
    valkey = wrong("Valkey does not answer.", "")
    asked = {"valkey": lambda: valkey, "worker": processes._rounds}
    monkeypatch.setattr(processes, "_ANSWERS", asked)
    assert processes.check() == [valkey]
