"""Backup and restore without a console: what is in, and what is refused."""

import errno
import io
import json
import os
import sqlite3
import stat
import subprocess
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from launcher.config import ROOT, make_folders, read_config
from launcher.errors import LaunchError
from launcher.keeping.archive import MANIFEST, Writer, is_safe, verify
from launcher.keeping.backup import backup
from launcher.keeping.restore import restore
from launcher.supervisor import only_one

KEY = "k" * 64


def quiet(_):
    """Nobody looks on."""


def installation(home, **settings):
    config = read_config({**clean(), "ALIGHT_HOME": str(home), **settings})
    make_folders(config)
    return config


def clean():
    return {k: v for k, v in os.environ.items() if not k.startswith("ALIGHT_")}


def filled(home, **settings):
    """As after a first start: a database, keys, a log, something to be sent later."""
    config = installation(home, **settings)
    with sqlite3.connect(home / "alight.sqlite3") as link:
        link.executescript(
            "pragma journal_mode=wal;"
            "create table django_migrations (app, name);"
            "insert into django_migrations values ('endpoints', '0001_initial');"
            "create table endpoints_volume (name, engine_name, deleting);"
            "create table replicas_replica (id integer primary key autoincrement);"
            "insert into replicas_replica values (41);"
            "create table words (word);"
            "insert into words values ('kept');"
        )
    link.close()
    for name, text in (("secret_key", KEY), ("installation", "one")):
        (home / name).write_text(text)
    for folder, name in (("replica-logs/1", "41-1.log"), ("async", "body")):
        (home / folder).mkdir(parents=True)
        (home / folder / name).write_text(f"{name} as it was\n")
    return config


@pytest.fixture
def home(tmp_path):
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def kept(tmp_path, home):
    """A backup of a home that is lost afterwards."""
    path = tmp_path / "backup.tar"
    backup(filled(home), str(path))
    home.rename(tmp_path / "lost")
    return path


def words(home):
    link = sqlite3.connect(home / "alight.sqlite3")
    found = [word for (word,) in link.execute("select word from words")]
    link.close()
    return found


def change(path, alter):
    """The backup once more, with `alter(name, content)` for every member; None: out."""
    other = path.with_name("altered.tar")
    with tarfile.open(path) as old, tarfile.open(other, "w") as new:
        for entry in old:
            content = alter(entry.name, old.extractfile(entry).read())
            if content is not None:
                entry.size = len(content)
                new.addfile(entry, io.BytesIO(content))
    return other


def test_what_was_kept_comes_back(kept, home):
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    restore(installation(home), str(kept))
    assert words(home) == ["kept"]
    assert (home / "secret_key").read_text() == KEY
    assert (home / "replica-logs/1/41-1.log").read_text() == "41-1.log as it was\n"
    assert (home / "async/body").read_text() == "body as it was\n"
    for path in ("alight.sqlite3", "secret_key", "replica-logs/1/41-1.log"):
        assert stat.S_IMODE((home / path).stat().st_mode) == 0o600, path


def test_new_replicas_get_numbers_that_none_had(kept, home):
    restore(installation(home), str(kept))
    link = sqlite3.connect(home / "alight.sqlite3")
    link.execute("insert into replicas_replica default values")
    assert link.execute("select max(id) from replicas_replica").fetchone()[0] > 1000
    link.close()


def test_a_transaction_that_is_open_is_not_in_it_and_goes_on(home, tmp_path):
    config = filled(home)
    writer = sqlite3.connect(home / "alight.sqlite3", isolation_level=None)
    writer.execute("begin immediate")
    writer.execute("insert into words values ('half done')")
    backup(config, str(tmp_path / "b.tar"))
    writer.execute("commit")
    writer.close()
    assert words(home) == ["kept", "half done"]
    home.rename(tmp_path / "lost")
    restore(installation(home), str(tmp_path / "b.tar"))
    assert words(home) == ["kept"]


def test_nothing_is_replaced_without_the_word_for_it(kept, home):
    config = filled(home)
    (home / "secret_key").write_text("another")
    with pytest.raises(LaunchError, match="holds an installation already"):
        restore(config, str(kept))
    assert (home / "secret_key").read_text() == "another"
    restore(config, str(kept), replace=True)
    assert (home / "secret_key").read_text() == KEY
    (aside,) = home.glob("secret_key.before-*")
    assert aside.read_text() == "another"
    assert len(list(home.glob("alight.sqlite3.before-*"))) == 1
    assert list(home.glob(".*restoring*")) == []


def test_what_was_there_is_told_and_an_empty_folder_is_not(kept, home, capsys):
    config = filled(home)
    (home / "async/body").unlink()
    restore(config, str(kept), replace=True)
    told = capsys.readouterr().out
    assert str(*home.glob("secret_key.before-*")) in told
    assert "async.before" not in told
    assert list(home.glob("async.before-*")) == []


def test_what_was_not_in_the_database_yet_is_set_aside_with_it(kept, home):
    config = filled(home)
    writer = sqlite3.connect(home / "alight.sqlite3")
    writer.execute("insert into words values ('just now')")
    writer.commit()  # to the file beside it, as long as this one is open
    restore(config, str(kept), replace=True)
    (aside,) = home.glob("alight.sqlite3.before-*[0-9]")
    link = sqlite3.connect(f"{aside.as_uri()}?mode=ro", uri=True)
    assert link.execute("select word from words").fetchall()[1:] == [("just now",)]
    link.close()
    writer.close()
    assert words(home) == ["kept"]


def tree(home):
    """Everything in it but what the launcher itself needs while it works."""
    found = [p for p in home.rglob("*") if p.is_file() and "run" not in p.parts]
    return {p.relative_to(home): p.read_bytes() for p in found}


@pytest.mark.parametrize("stuck", ["async", ".secret_key.restoring"])
def test_where_one_file_cannot_be_moved_none_is(kept, home, monkeypatch, stuck):
    config = filled(home)
    (home / "secret_key").write_text("another")
    before, rename = tree(home), Path.rename

    def refuse(path, to):
        if path.name == stuck:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(LaunchError, match="cannot change its place"):
        restore(config, str(kept), replace=True)
    assert tree(home) == before


def test_a_folder_that_is_a_disk_is_said_before_anything_is_changed(
    kept, home, monkeypatch
):
    config = filled(home)
    before = tree(home)
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "replica-logs")
    with pytest.raises(LaunchError, match="a disk is mounted") as refused:
        restore(config, str(kept), replace=True)
    assert "ALIGHT_LOG_DIR=" in str(refused.value)
    assert tree(home) == before


def test_what_a_killed_restore_left_is_not_taken_along(kept, home):
    left = home / ".replica-logs.restoring/9"
    left.mkdir(parents=True)
    (left / "9-1.log").write_text("of another backup")
    (home / ".metrics_token.restoring").write_text("of another backup")
    restore(installation(home), str(kept))
    assert not (home / "replica-logs/9").exists()
    assert list(home.glob(".*restoring*")) == []


def test_nothing_is_restored_under_a_running_console(kept, home):
    config = installation(home)
    with only_one(config), pytest.raises(LaunchError, match="Alight runs"):
        restore(config, str(kept))


@pytest.mark.parametrize(
    ("alter", "says"),
    [
        (lambda n, c: None if n == MANIFEST else c, "its end is missing"),
        (lambda n, c: c[:-1] if n == "secret_key" else c, "not what was put in"),
        (lambda n, c: None if n == "installation" else c, "not what was put in"),
        (lambda n, c: c[::-1] if n.endswith(".log") else c, "not what was put in"),
    ],
)
def test_a_backup_that_is_not_whole_changes_nothing(kept, home, alter, says):
    with pytest.raises(LaunchError, match=says):
        restore(installation(home), str(change(kept, alter)))
    assert not (home / "alight.sqlite3").exists()


def test_a_backup_that_was_cut_short(kept, home):
    with kept.open("r+b") as file:
        file.truncate(kept.stat().st_size // 2)
    with pytest.raises(LaunchError, match="not a whole backup"):
        restore(installation(home), str(kept))


def test_a_backup_of_a_newer_version(kept, home):
    def newer(name, content):
        if name != MANIFEST:
            return content
        facts = json.loads(content)
        facts["migrations"]["endpoints"].append("9999_later")
        return json.dumps(facts).encode()

    with pytest.raises(LaunchError, match="newer Alight than this code"):
        restore(installation(home), str(change(kept, newer)))


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../x", "a//b", "", ".", "a\\b"])
def test_names_that_lead_elsewhere(name):
    assert not is_safe(name)


def test_a_member_that_leads_out_of_it_is_refused(tmp_path, home):
    path = tmp_path / "bad.tar"
    with path.open("wb") as out:
        writer = Writer(out)
        (tmp_path / "x").write_text("x")
        writer.add("replica-logs/../../x", tmp_path / "x")
        writer.finish({"migrations": {}, "volumes": []})
    with pytest.raises(LaunchError, match="leads out of it"):
        verify(path, quiet)


def test_a_key_from_the_settings_stays_out_and_is_asked_for(tmp_path, home):
    path = tmp_path / "b.tar"
    backup(filled(home, ALIGHT_SECRET_KEY=KEY), str(path))
    assert KEY.encode() not in path.read_bytes()
    home.rename(tmp_path / "lost")
    with pytest.raises(LaunchError, match="does not hold its secret key"):
        restore(installation(home), str(path))
    with pytest.raises(LaunchError, match="not the backup's"):
        restore(installation(home, ALIGHT_SECRET_KEY="other"), str(path))
    restore(installation(home, ALIGHT_SECRET_KEY=KEY), str(path))
    assert words(home) == ["kept"]


def test_streams_of_unknown_length_come_in_pieces(tmp_path):
    path = tmp_path / "s.tar"
    content = os.urandom(8 * 1024 * 1024 + 5)
    with path.open("wb") as out:
        writer = Writer(out)
        writer.add_stream("volumes/v", io.BytesIO(content))
        writer.finish({"migrations": {}, "volumes": []})
    assert [f["size"] for f in verify(path, quiet)["files"]] == [8 * 1024 * 1024, 5]


def test_a_backup_overwrites_nothing_and_leaves_no_halves(tmp_path, home):
    config = filled(home)
    target = tmp_path / "b.tar"
    target.write_text("mine")
    with pytest.raises(LaunchError, match="is there already"):
        backup(config, str(target))
    assert target.read_text() == "mine"
    (home / "alight.sqlite3").write_bytes(b"no database at all" * 1000)
    for name in home.glob("alight.sqlite3-*"):
        name.unlink()
    with pytest.raises(LaunchError, match="cannot be copied"):
        backup(config, str(tmp_path / "c.tar"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.tar", "home"]


def test_a_copy_goes_into_no_file_that_somebody_laid_out(tmp_path, home):
    theirs = tmp_path / "theirs"
    theirs.touch(mode=0o644)
    (tmp_path / ".b.tar.sqlite3").symlink_to(theirs)
    backup(filled(home), str(tmp_path / "b.tar"))
    assert theirs.read_bytes() == b""


def test_nor_does_that_of_docker_compose(tmp_path):
    # Whatever the stack says goes where the script puts it.
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\necho kept\n")
    docker.chmod(0o755)
    theirs = tmp_path / "theirs"
    theirs.touch(mode=0o644)
    (tmp_path / "b.tar.part").symlink_to(theirs)
    path = f"{docker.parent}:{os.environ['PATH']}"
    subprocess.run(
        [ROOT / "compose/backup", tmp_path / "b.tar"],
        env={**os.environ, "PATH": path},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    assert theirs.read_text() == ""
    assert (tmp_path / "b.tar").read_text() == "kept\n"
    assert stat.S_IMODE((tmp_path / "b.tar").stat().st_mode) == 0o600


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_file_that_is_cut_while_it_is_read_costs_no_backup(
    tmp_path, monkeypatch, size
):
    (tmp_path / "log").write_bytes(b"x" * size)
    longer = SimpleNamespace(st_size=size + 1000)
    monkeypatch.setattr("launcher.keeping.archive.os.fstat", lambda _: longer)
    with (tmp_path / "b.tar").open("wb") as out:
        writer = Writer(out)
        writer.add("replica-logs/1/log", tmp_path / "log")
        writer.finish({"migrations": {}, "volumes": []})
    monkeypatch.undo()
    (found,) = verify(tmp_path / "b.tar", quiet)["files"]
    assert size <= found["size"] <= size + 1000


def test_the_code_has_the_migrations_it_is_asked_for():
    assert (ROOT / "endpoints" / "migrations" / "0001_initial.py").is_file()
