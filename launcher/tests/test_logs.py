"""A file for each process, and one older one."""

import pytest

from launcher import logs


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(logs, "BIG_LOG", 10)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "web.log"


@pytest.fixture
def older(tmp_path):
    return tmp_path / "web.log.1"


def test_a_long_log_is_put_aside(log, older):
    log.write_text("x" * 11)
    logs.put_aside(log)
    assert not log.exists()
    assert older.read_text() == "x" * 11


def test_whoever_writes_goes_on_at_the_beginning(log, older):
    older.write_text("of last month")
    with log.open("ab", buffering=0) as process:
        process.write(b"before, and long")
        logs.cut([log])
        process.write(b"after")
    assert older.read_text() == "before, and long"
    assert log.read_text() == "after"
    assert older.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("look", [logs.put_aside, lambda log: logs.cut([log])])
def test_a_short_one_and_none_at_all_stay(log, older, look):
    look(log)
    log.write_text("x" * 10)
    look(log)
    assert log.read_text() == "x" * 10
    assert not older.exists()


def test_nothing_is_lost_where_there_is_no_room(log, older, monkeypatch):
    log.write_text("x" * 11)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(logs.shutil, "copyfileobj", full)
    logs.cut([log])
    assert log.read_text() == "x" * 11
    assert not older.exists()


def test_no_link_that_somebody_laid_out_is_written_through(log, older, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("kept")
    older.symlink_to(elsewhere)
    log.write_text("x" * 11)
    logs.cut([log])
    assert elsewhere.read_text() == "kept"
    assert older.read_text() == "x" * 11
