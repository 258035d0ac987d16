"""Files: what is appended is read back, by number, by time and as text."""

import errno
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, transaction

from endpoints.steps import Reason
from replicas import services
from replicas.logs import files, state, store
from replicas.logs.records import Attempt, Draft
from replicas.logs.state import State, StateFile
from replicas.tests.factories import ReplicaFactory

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NS = 1_000_000_000


@pytest.fixture(autouse=True)
def log_dir(settings, tmp_path, no_valkey):
    settings.ALIGHT_LOG_DIR = tmp_path / "logs"


@pytest.fixture
def replica():
    return ReplicaFactory(ready=True)


def owner(replica, attempt=1):
    return Attempt(replica.endpoint_id, replica.pk, attempt, replica.number)


def write(replica, texts, *, attempt=1, start=0, step=1.0):
    """A line every `step` seconds from `start` seconds after noon."""
    base = int(NOON.timestamp()) * NS
    drafts = [
        Draft(base + int((start + n * step) * NS), "oi-", text)
        for n, text in enumerate(texts)
    ]
    file = files.LogFile(owner(replica, attempt))
    file.append(drafts)
    file.close()


def texts(lines):
    return [line.text for line in lines]


def after(seconds):
    return NOON + timedelta(seconds=seconds)


def test_the_tail_merges_replicas_by_time(replica):
    other = ReplicaFactory(endpoint=replica.endpoint, number=2)
    write(replica, ["a0", "a2", "a4"], step=2)
    write(other, ["b1", "b3", "b5"], start=1, step=2)
    tail = store.tail(replica.endpoint_id, 4)
    assert texts(tail) == ["a2", "b3", "a4", "b5"]
    assert [line.attempt.number for line in tail] == [1, 2, 1, 2]
    only = store.tail(replica.endpoint_id, 4, replica_ids={other.pk})
    assert texts(only) == ["b1", "b3", "b5"]


def test_a_long_file_is_read_from_its_end(replica):
    write(replica, [f"{n} {'x' * 200}" for n in range(20_000)])
    records = files.last_records(owner(replica), 5000)
    assert [record.n for record in records] == list(range(15_001, 20_001))
    later = files.last_records(owner(replica), 5000, after=19_990)
    assert [record.n for record in later] == list(range(19_991, 20_001))
    assert files.last_number(owner(replica)) == 20_000


@pytest.mark.parametrize("count", [3, 30_000])
def test_a_span_of_time(replica, count):
    write(replica, [f"line {n}" for n in range(count)])
    middle = count // 2
    first = store.read(replica.endpoint_id, begin=after(middle), max_lines=1)
    assert texts(first) == [f"line {middle}"]
    span = store.read(
        replica.endpoint_id, begin=after(middle), end=after(middle + 1), max_lines=10
    )
    assert texts(span) == [f"line {middle}"]
    before = store.read(replica.endpoint_id, end=after(middle), max_lines=1)
    assert texts(before) == [f"line {middle - 1}"]
    newest = store.read(replica.endpoint_id, max_lines=2)
    assert texts(newest) == [f"line {count - 2}", f"line {count - 1}"]
    assert store.read(replica.endpoint_id, begin=after(count)) == []


def test_everything_as_text(replica):
    write(replica, ["\x1b[31mred\x1b[0m"])
    write(replica, ["again"], attempt=2, start=60)
    assert "".join(store.iter_text(replica.endpoint_id)) == (
        "# Replica 1, start 1\n"
        "2026-01-31T12:00:00.000Z r1 stdout red\n"
        "# Replica 1, start 2\n"
        "2026-01-31T12:01:00.000Z r1 stdout again\n"
    )


def test_a_torn_record_is_cut_off(replica):
    write(replica, ["one", "two"])
    with files.log_path(owner(replica)).open("ab") as file:
        file.write(b"3 17000000000000000")
    write(replica, ["three"], start=9)
    assert texts(store.tail(replica.endpoint_id)) == ["one", "two", "three"]
    assert files.last_number(owner(replica)) == 3


def test_writers_in_many_threads_give_every_number_once(replica):
    def some(writer):
        file = files.LogFile(owner(replica))
        for n in range(100):
            file.append([Draft(n, "oi-", f"{writer} {n}")])
        file.close()

    threads = [threading.Thread(target=some, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = [r for block in files.blocks(owner(replica)) for r in block]
    assert [r.n for r in records] == list(range(1, 401))
    for writer in range(4):
        mine = [r.text for r in records if r.text.startswith(f"{writer} ")]
        assert mine == [f"{writer} {n}" for n in range(100)]


def test_lines_of_ours(replica):
    store.system(replica.endpoint_id, replica.pk, 1, "Build failed.\nstep 3", "error")
    lines = store.tail(replica.endpoint_id)
    assert [(line.src, line.level, line.text) for line in lines] == [
        ("system", "error", "Build failed."),
        ("system", "error", "step 3"),
    ]


def test_one_that_cannot_be_kept_keeps_nothing_else_from_being_done(
    replica, monkeypatch, django_capture_on_commit_callbacks
):
    def away(*_, **__):
        raise OperationalError("terminating connection")

    done = []
    monkeypatch.setattr(store, "system", away)
    with django_capture_on_commit_callbacks(execute=True):
        services.tell(replica, Reason.STARTED)
        transaction.on_commit(lambda: done.append("told"))
    assert done == ["told"]


def test_finished(replica):
    assert not store.is_finished(replica.pk, 1)
    store.mark_finished(replica.endpoint_id, replica.pk, 1)
    assert store.is_finished(replica.pk, 1)


def test_what_nobody_will_follow_is_finished(replica):
    never_started = ReplicaFactory(endpoint=replica.endpoint, number=2)
    assert store.is_finished(never_started.pk, 1)
    assert store.is_finished(replica.pk + 1000, 1)
    replica.attempt = 2
    replica.save()
    assert store.is_finished(replica.pk, 1)
    assert not store.is_finished(replica.pk, 2)


def test_an_old_attempt_that_is_still_followed_is_not_finished(replica):
    follower = StateFile(owner(replica))
    assert follower.take_lease()
    replica.attempt = 2
    replica.save()
    assert not store.is_finished(replica.pk, 1)
    follower.release()
    assert store.is_finished(replica.pk, 1)


def test_one_lease(replica):
    first, second = StateFile(owner(replica)), StateFile(owner(replica))
    assert first.take_lease()
    assert not second.take_lease()
    first.release()
    assert second.take_lease()
    second.release()


def test_notes_made_at_the_same_moment_are_all_kept(replica):
    """Each writer has read the note before any other one has written it."""
    everybody = threading.Barrier(8)

    def note(number):
        file = StateFile(owner(replica))
        everybody.wait(60)
        for turn in range(20):
            mine = f"{number}-{turn}"
            file.change(lambda known: State(1, (*known.sealed, mine)))  # noqa: B023

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(note, range(8)))
    assert len(set(StateFile(owner(replica)).read().sealed)) == 8 * 20


def test_who_reads_a_note_never_sees_half_of_one(replica):
    file = StateFile(owner(replica))
    file.change(lambda known: State(1, ("kept",)))
    done = threading.Event()

    def read_on():
        seen = set()
        while not done.is_set():
            seen.add(StateFile(owner(replica)).read().finished_at > 0)
        return seen

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read_on)
        for turn in range(300):
            long = ("x" * (turn % 7) * 400,)
            file.change(lambda known: State(turn + 1, long))  # noqa: B023
        done.set()
        assert reader.result(60) <= {True}


def test_a_note_that_does_not_fit_leaves_the_old_one(replica, monkeypatch):
    file = StateFile(owner(replica))
    file.change(lambda known: State(0, ("one", "two")))

    def full(fd, data):
        whole(fd, data[:10])
        monkeypatch.setattr(state, "write_all", whole)
        raise OSError(errno.ENOSPC, "No space left on device")

    whole = state.write_all
    monkeypatch.setattr(state, "write_all", full)
    with pytest.raises(OSError, match="No space left"):
        file.change(lambda known: State(5, ("three",) * 50))
    assert file.read() == State(0, ("one", "two"))


def test_a_deleted_endpoint_leaves_no_files(replica):
    write(replica, ["one"])
    store.mark_finished(replica.endpoint_id, replica.pk, 1)
    store.forget(replica.endpoint_id)
    assert not files.folder(replica.endpoint_id).exists()
    assert store.tail(replica.endpoint_id) == []
