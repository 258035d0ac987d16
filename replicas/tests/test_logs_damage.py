"""A kept log whose file is damaged is read past, and says so."""

import os

import pytest
from asgiref.sync import sync_to_async

from endpoints.tests.factories import EndpointFactory, caller
from replicas.logs import files, reader, store
from replicas.logs.records import Attempt, Draft, Record, decode, encode
from replicas.logs.resume import position
from replicas.logs.search import Query, search
from replicas.logs.state import StateFile
from replicas.logs.stored import pack_file, packed_path
from replicas.tests.factories import ReplicaFactory

SECOND = 1_000_000_000
BEGIN = 1_769_860_800 * SECOND  # 2026-01-31T12:00:00Z
DAMAGED = "Part of this log cannot be read: its file is damaged"
HURTS = [
    b"\1" + b"\0" * 40,
    b"\xff\xfe garbage",
    b"x 1 oi- no number",
    b"7 soon oi- no time",
    b"7 1769860800000000000 ??? no such letters",
    b"7 99999999999999999999999 oi- no such time",
    b"7",
    b"?\n\0\n7 8\n",
]
hurts = pytest.mark.parametrize("hurt", HURTS, ids=range(len(HURTS)))


@pytest.fixture(autouse=True)
def log_dir(settings, tmp_path):
    settings.ALIGHT_LOG_DIR = tmp_path / "logs"


@pytest.fixture
def replica(alice):
    return ReplicaFactory(endpoint=EndpointFactory(name="whisper", owner=alice))


def write(replica, count):
    owner = Attempt(replica.endpoint_id, replica.pk, 1, replica.number)
    file = files.LogFile(owner)
    file.append([Draft(BEGIN + n * SECOND, "oi-", f"line {n}") for n in range(count)])
    file.close()
    return owner


def damage(owner, first, last, hurt):
    """Overwrite the records with these numbers, both included."""
    path = files.log_path(owner)
    records = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(
        b"".join([*records[: first - 1], hurt.rstrip(b"\n") + b"\n", *records[last:]])
    )


def texts(found):
    return [one.text.partition(" (")[0] for one in found]


@hurts
def test_damage_anywhere_is_one_line(hurt):
    whole = [Record(n, BEGIN + n, "oi-", f"line {n}") for n in range(1, 10)]
    raws = encode([Draft(*record[1:]) for record in whole], 1).splitlines(keepends=True)
    bad = hurt.decode("utf-8", "replace").rstrip("\n") + "\n"
    for first in range(1, 10):
        for last in range(first, 9):
            given = decode("".join([*raws[: first - 1], bad, *raws[last:]]))
            note = given.pop(first - 1)
            assert note.text.startswith(DAMAGED)
            assert (note.n, note.flags) == (last, "sw-")
            assert given == whole[: first - 1] + whole[last:]


@hurts
@pytest.mark.parametrize(("first", "last"), [(1, 3), (4, 5), (8, 10), (1, 10)])
@pytest.mark.django_db
def test_everyone_reads_past_it(alice, replica, hurt, first, last):
    owner = write(replica, 10)
    damage(owner, first, last, hurt)
    whole = [f"line {n - 1}" for n in range(1, 11) if not first <= n <= last]
    shown = [*whole[: first - 1], DAMAGED, *whole[first - 1 :]]
    assert texts(store.tail(owner.endpoint_id, 100)) == shown
    found = search(owner.endpoint_id, Query(), 100)
    # A block in which nothing has a time is passed over.
    assert texts(reversed(found.lines)) == (shown if whole else [])
    assert "".join(store.iter_text(owner.endpoint_id)).count(DAMAGED) == 1
    answer = caller(alice).get("/v1/logs/whisper")
    assert answer.status_code == 200
    assert [line["data"].partition(" (")[0] for line in answer.json()] == shown


@hurts
@pytest.mark.django_db
def test_numbers_go_on_behind_it(replica, hurt):
    owner = write(replica, 10)
    damage(owner, 10, 10, hurt)
    file = files.LogFile(owner)
    first, _ = file.append([Draft(BEGIN + 60 * SECOND, "oi-", "on")])
    file.close()
    assert first >= 11
    assert files.last_number(owner) == first
    assert position(owner, BEGIN + 90 * SECOND, 2 * SECOND).last == BEGIN + 60 * SECOND


@pytest.mark.django_db
def test_a_time_is_found_in_a_large_damaged_log(replica):
    owner = write(replica, 20_000)
    path = files.log_path(owner)
    size = path.stat().st_size
    with path.open("r+b") as file:
        for at in range(size // 10, size - 5000, size // 7):
            file.seek(at)
            file.write(os.urandom(3000).replace(b"\n", b"?"))
    start = files.position(owner, BEGIN + 15_000 * SECOND)
    lines = [record.text for block in files.blocks(owner, start) for record in block]
    assert "line 19999" in lines
    assert "line 14000" not in lines


@pytest.mark.django_db
def test_a_hole_without_an_end_is_read_past_in_pieces(replica):
    owner = write(replica, 10)
    with files.log_path(owner).open("ab") as file:
        file.write(b"?")
        file.truncate(20 * 1024 * 1024)
        file.seek(0, os.SEEK_END)
        file.write(
            b"\n" + encode([Draft(BEGIN + 60 * SECOND, "oi-", "on")], 12).encode()
        )
    records = [record for block in files.blocks(owner) for record in block]
    assert texts(records)[:10] == [f"line {n}" for n in range(10)]
    assert texts(records)[10:] == [DAMAGED, "on"]
    assert texts(files.last_records(owner, 2)) == [DAMAGED, "on"]


@pytest.mark.django_db
def test_a_packed_log_with_a_damaged_piece_tells_the_others(replica):
    owner = write(replica, 100_000)
    pack_file(files.log_path(owner))
    path = packed_path(files.log_path(owner))
    data = bytearray(path.read_bytes())
    second = data.index(data[:10], 10)
    data[second + 500 : second + 600] = bytes(100)
    path.write_bytes(data)
    lines = [record.text for block in files.blocks(owner) for record in block]
    assert lines[0] == "line 0"
    assert lines[-1] == "line 99999"
    assert sum(line.startswith(DAMAGED) for line in lines) == 1
    assert 50_000 < len(lines) < 80_000
    # Who has to append goes on behind it.
    store.system(owner.endpoint_id, owner.replica_id, 1, "on")
    assert texts(files.last_records(owner, 2)) == ["line 99999", "on"]
    assert files.last_number(owner) == 100_001


@pytest.mark.parametrize("length", [0, 5, 30, 2000])
@pytest.mark.django_db
def test_a_packed_log_that_is_cut_short_tells_its_beginning(replica, length):
    owner = write(replica, 50_000)
    pack_file(files.log_path(owner))
    path = packed_path(files.log_path(owner))
    data = path.read_bytes()
    second = data.index(data[:10], 10)
    path.write_bytes(data[: second + length])
    lines = [record.text for block in files.blocks(owner) for record in block]
    assert lines[0] == "line 0"
    assert sum(line.startswith(DAMAGED) for line in lines) == min(length, 1)


@pytest.mark.valkey
@pytest.mark.usefixtures("valkey")
@pytest.mark.django_db(transaction=True)
async def test_a_page_shows_what_is_left():
    replica = await sync_to_async(ReplicaFactory)()
    owner = write(replica, 10)
    damage(owner, 4, 5, HURTS[0])
    one = reader.LogReader(owner.endpoint_id)
    message = await one.backlog()
    await one.close()
    assert len(message["lines"]) == 9
    assert message["lines"][3]["text"].startswith(DAMAGED)


@pytest.mark.parametrize("note", ["[]", "{}", "null", '{"odd": 1}', "{"])
def test_a_note_nobody_can_read_is_none(note):
    owner = Attempt(1, 1, 1)
    files.log_path(owner).parent.mkdir(parents=True)
    files.log_path(owner).with_suffix(".state").write_text(note)
    assert StateFile(owner).read().finished_at == 0
