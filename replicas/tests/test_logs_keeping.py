"""How long logs are kept: packed, cut, removed, and what is said then."""

import gzip
import os
import random
import time

import pytest

from endpoints.models import Endpoint
from endpoints.tests.factories import EndpointFactory
from replicas.logs import files, keeping, store
from replicas.logs.absent import absences
from replicas.logs.packing import PIECE
from replicas.logs.records import Attempt, Draft
from replicas.logs.state import StateFile, log_file
from replicas.logs.stored import pack_file, packed_path
from replicas.models import Replica
from replicas.states import ReplicaState
from replicas.tests.factories import ReplicaFactory

pytestmark = pytest.mark.django_db

NOW = 1_800_000_000_000_000_000
DAY = 86_400_000_000_000
MINUTE = 60_000_000_000


@pytest.fixture(autouse=True)
def log_dir(settings, tmp_path, no_valkey):
    settings.ALIGHT_LOG_DIR = tmp_path / "logs"


@pytest.fixture
def replica():
    return ReplicaFactory(ready=True, attempt=3)


def write(replica, texts, *, attempt=1, age=0, finished=True):
    """Lines, a second apart, the last one `age` ns before NOW."""
    owner = Attempt(replica.endpoint_id, replica.pk, attempt, replica.number)
    begin = NOW - age - len(texts) * 1_000_000_000
    file = log_file(owner)
    file.append(
        [
            Draft(begin + n * 1_000_000_000, "oi-", text)
            for n, text in enumerate(texts, 1)
        ]
    )
    file.close()
    if finished:
        store.mark_finished(owner.endpoint_id, owner.replica_id, owner.attempt)
    os.utime(files.log_path(owner), ns=(NOW - age, NOW - age))
    return owner


def words(count, letters=100):
    shuffled = random.Random(count)
    return [f"{n} {shuffled.randbytes(letters // 2).hex()}" for n in range(count)]


def kept(owner):
    return [record for block in files.blocks(owner) for record in block]


# --- Packing -----------------------------------------------------------------
def test_a_packed_log_reads_the_same_everywhere(replica):
    owner = write(replica, words(30_000))
    records = kept(owner)
    middle = records[17_000]
    plain = files.log_path(owner).read_bytes()
    before = (
        files.last_records(owner, 700),
        files.last_records(owner, 50, end=files.position(owner, middle.at)),
        files.records_since(owner, middle.at),
        files.position(owner, middle.at),
        files.first_number(owner),
        files.last_number(owner),
        files.modified(owner),
        list(store.iter_text(owner.endpoint_id)),
    )
    pack_file(files.log_path(owner))
    assert not files.log_path(owner).exists()
    assert len(plain) > 3 * PIECE
    after = (
        files.last_records(owner, 700),
        files.last_records(owner, 50, end=files.position(owner, middle.at)),
        files.records_since(owner, middle.at),
        files.position(owner, middle.at),
        files.first_number(owner),
        files.last_number(owner),
        files.modified(owner),
        list(store.iter_text(owner.endpoint_id)),
    )
    assert after == before
    assert kept(owner) == records
    # What others read it with.
    assert gzip.decompress(packed_path(files.log_path(owner)).read_bytes()) == plain


def test_a_late_line_unpacks_it_and_numbers_go_on(replica):
    owner = write(replica, ["one", "two"])
    open_already = log_file(owner)
    pack_file(files.log_path(owner))
    open_already.append([Draft(NOW, "oi-", "three")])
    store.system(owner.endpoint_id, owner.replica_id, owner.attempt, "four")
    open_already.close()
    assert [(r.n, r.text) for r in kept(owner)] == [
        (1, "one"),
        (2, "two"),
        (3, "three"),
        (4, "four"),
    ]
    assert not packed_path(files.log_path(owner)).exists()


def test_a_file_made_while_it_was_packed_is_not_written_to(replica):
    owner = write(replica, ["one"])
    pack_file(files.log_path(owner))
    # As a process has it that looked before and opened after.
    late = files.LogFile.__new__(files.LogFile)
    late._attempt, late._base = owner, int
    late._fd = os.open(files.log_path(owner), os.O_RDWR | os.O_CREAT | os.O_APPEND)
    late._size, late._last, late._start = 0, 0, None
    late.append([Draft(NOW, "oi-", "two")])
    late.close()
    assert [(r.n, r.text) for r in kept(owner)] == [(1, "one"), (2, "two")]


def test_a_break_while_packing_leaves_the_plain_log(replica, monkeypatch):
    owner = write(replica, words(100))
    before = kept(owner)

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        pack_file(files.log_path(owner))
    assert kept(owner) == before
    assert not list(files.folder(owner.endpoint_id).glob("*.part"))
    assert files.attempts(owner.endpoint_id)


def test_only_quiet_logs_of_attempts_that_ended_are_packed(replica):
    old = write(replica, ["ended"], attempt=1, age=20 * MINUTE)
    fresh = write(replica, ["ended just now"], attempt=2, age=MINUTE)
    running = write(replica, ["runs"], attempt=3, age=20 * MINUTE)
    done = keeping.keep(NOW)
    assert done.packed == 1
    assert files.packed_log_path(old).exists()
    assert files.log_path(fresh).exists()
    assert files.log_path(running).exists()


# --- One log's limit ---------------------------------------------------------
def test_a_log_keeps_its_newest(replica, settings):
    settings.ALIGHT_LOG_ATTEMPT_MB = 1
    owner = Attempt(replica.endpoint_id, replica.pk, 3, replica.number)
    file = log_file(owner)
    for n in range(40):
        file.append([Draft(NOW + n, "oi-", text) for text in words(500, 200)])
    file.close()
    records = kept(owner)
    assert records[-1].n == 20_000
    assert [r.n for r in records] == list(range(records[0].n, 20_001))
    assert files.room(owner) < 1.2 * files.MB
    assert sum(len(r.text) for r in records) > 0.8 * files.MB
    # Whoever opens it next counts on, and reads from its new beginning.
    store.system(owner.endpoint_id, owner.replica_id, 3, "one more")
    assert files.last_number(owner) == 20_001
    assert files.position(owner, 0) > 0
    (said,) = absences(owner.endpoint_id, [owner])
    assert said.text == (
        f"The first {records[0].n - 1:,} lines of this attempt's log went. The limit:"
        " a log keeps its newest 1 MB."
    )
    text = "".join(store.iter_text(owner.endpoint_id))
    assert text.startswith("# Replica 1, start 3: The first ")
    # Packed, it is as long as what is kept.
    before = kept(owner)
    pack_file(files.log_path(owner))
    assert kept(owner) == before


# --- All logs' limits --------------------------------------------------------
def test_what_is_too_old_goes_and_says_so(replica, settings):
    settings.ALIGHT_LOG_DAYS = 30
    old = write(replica, ["one", "two"], attempt=1, age=31 * DAY)
    young = write(replica, ["three"], attempt=2, age=29 * DAY)
    running = write(replica, ["silent for long"], attempt=3, age=40 * DAY)
    assert keeping.keep(NOW, dry_run=True).removed == 1
    assert files.attempts(replica.endpoint_id) == [
        Attempt(a.endpoint_id, a.replica_id, a.attempt) for a in (old, young, running)
    ]
    assert keeping.keep(NOW).removed == 1
    (said,) = absences(replica.endpoint_id, store.attempts(replica.endpoint_id))
    assert said.to_page() == {
        "k": old.key,
        "r": replica.number,
        "a": 1,
        "text": "This attempt's log of 2 lines was removed on 15 January 2027. The"
        " limit: logs are kept for 30 days.",
    }
    assert "# Replica 1, start 1: This attempt's log of 2 lines was removed" in "".join(
        store.iter_text(replica.endpoint_id)
    )
    # A late line of ours goes on counting: a page has given numbers 1 and 2 already.
    store.system(old.endpoint_id, old.replica_id, 1, "late")
    assert files.last_number(old) == 3


def test_the_oldest_go_first_when_there_is_no_room(replica, settings):
    settings.ALIGHT_LOG_TOTAL_MB = 1
    other = ReplicaFactory(endpoint=EndpointFactory(), attempt=1, ready=True)
    noise = words(6_000)  # about 0.6 MB, which hardly packs to less than 0.3
    owners = [
        write(replica, noise, attempt=1, age=3 * DAY),
        write(other, words(6_500), attempt=1, age=4 * DAY),
        write(replica, words(7_000), attempt=2, age=2 * DAY),
        write(replica, words(5_000), attempt=3, age=DAY),
    ]
    Replica.objects.filter(pk=other.pk).update(state=ReplicaState.STOPPED)
    done = keeping.keep(NOW)
    assert done.removed >= 1
    left = {a.key for a in store.attempts(replica.endpoint_id)}
    left |= {a.key for a in store.attempts(other.endpoint_id)}
    gone = [owner for owner in owners if owner.key not in left]
    assert owners[1] in gone
    assert owners[3] not in gone
    assert sum(files.room(one) for one in owners) <= files.MB


def test_a_log_that_is_written_is_never_removed(replica, settings):
    settings.ALIGHT_LOG_TOTAL_MB = 0
    owner = write(replica, ["runs"], attempt=3, age=99 * DAY, finished=False)
    assert keeping.keep(NOW).removed == 0
    assert kept(owner)


# --- Endpoints that are gone -------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_who_is_deleted_takes_the_logs_along(replica):
    owner = write(replica, ["one"])
    replica.endpoint.owner.delete()
    assert not Endpoint.objects.exists()
    assert not files.folder(owner.endpoint_id).exists()


def test_what_a_container_wrote_on_is_swept_up(replica):
    owner = write(replica, ["one"])
    Endpoint.objects.all().delete()
    assert keeping.keep(NOW, dry_run=True).removed == 1
    assert files.folder(owner.endpoint_id).exists()
    assert keeping.keep(NOW).removed == 1
    assert not files.folder(owner.endpoint_id).exists()


def test_notes_go_with_their_replica(replica, settings):
    old = write(replica, ["one"], attempt=1, age=31 * DAY)
    keeping.keep(NOW)
    assert StateFile(old).read().removed_at == NOW
    Replica.objects.all().delete()
    late = time.time_ns() + 20 * MINUTE
    assert keeping.keep(late, dry_run=True).notes == 1
    assert keeping.keep(late).notes == 1
    assert files.noted_of(old.endpoint_id) == []
