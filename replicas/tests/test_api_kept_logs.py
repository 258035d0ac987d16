"""REST: what is kept of logs, looked through and taken along."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from endpoints.tests.factories import EndpointFactory, caller
from replicas.logs import files, keeping, store
from replicas.logs.records import Attempt, Draft
from replicas.logs.state import log_file
from replicas.models import Replica
from replicas.tests.factories import ReplicaFactory

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = 1_000_000_000


@pytest.fixture(autouse=True)
def log_dir(settings, tmp_path):
    settings.ALIGHT_LOG_DIR = tmp_path / "logs"


@pytest.fixture
def whisper(alice):
    return EndpointFactory(name="whisper", owner=alice)


def write(replica, *texts, attempt=1, hour=0):
    owner = Attempt(replica.endpoint_id, replica.pk, attempt)
    begin = int((NOON + timedelta(hours=hour)).timestamp()) * SECOND
    file = log_file(owner)
    file.append(
        [Draft(begin + n * SECOND, "oi-", text) for n, text in enumerate(texts)]
    )
    file.close()
    store.mark_finished(owner.endpoint_id, owner.replica_id, attempt)
    return owner


def test_what_is_found_and_how_to_go_on(alice, whisper):
    replica = ReplicaFactory(endpoint=whisper, number=2)
    write(replica, "one needle", "hay", "two Needles", "three needles")
    call = caller(alice).get
    answer = call("/v1/logs/whisper/search?q=NEEDLE&max_lines=2").json()
    assert [line["data"] for line in answer["lines"]] == [
        "three needles",
        "two Needles",
    ]
    assert answer["lines"][0] == {
        "timestamp": "2026-03-01T12:00:03.000000Z",
        "replica_id": str(replica.pk),
        "attempt": 1,
        "source": "stdout",
        "level": "info",
        "data": "three needles",
        "number": 2,
        "line": 4,
    }
    assert answer["searched_back_to"]
    more = call(f"/v1/logs/whisper/search?q=NEEDLE&cursor={answer['next']}").json()
    assert [line["data"] for line in more["lines"]] == ["one needle"]
    assert (more["next"], more["searched_back_to"]) == (None, None)


def test_it_outlives_its_replica(alice, whisper):
    replica = ReplicaFactory(endpoint=whisper, number=1)
    write(replica, "last words")
    Replica.objects.all().delete()
    call = caller(alice).get
    found = call("/v1/logs/whisper/search").json()["lines"]
    assert [line["data"] for line in found] == ["last words"]
    assert [line["data"] for line in call("/v1/logs/whisper").json()] == ["last words"]
    (start,) = call("/v1/logs/whisper/attempts").json()
    assert (start["last_line"], start["note"]) == (1, "")


def test_starts_with_what_is_not_kept(alice, whisper, settings):
    settings.ALIGHT_LOG_DAYS = 1
    replica = ReplicaFactory(endpoint=whisper, number=1, attempt=3)
    write(replica, "gone", "too")
    write(replica, "kept", attempt=2, hour=1)
    now = int((NOON + timedelta(hours=2)).timestamp()) * SECOND
    for attempt, age in ((1, 2 * 86_400), (2, 0)):
        path = files.log_path(Attempt(whisper.pk, replica.pk, attempt))
        at = now - age * SECOND
        os.utime(path, ns=(at, at))
    keeping.keep(now)
    gone, kept = caller(alice).get("/v1/logs/whisper/attempts").json()
    assert gone == {
        "replica_id": str(replica.pk),
        "number": 1,
        "attempt": 1,
        "begins_at": None,
        "ends_at": None,
        "first_line": 0,
        "last_line": 2,
        "bytes": 0,
        "removed_at": "2026-03-01T14:00:00.000000Z",
        "note": "This attempt's log of 2 lines was removed on 1 March 2026. The limit:"
        " logs are kept for 1 day.",
    }
    assert (kept["first_line"], kept["begins_at"]) == (1, "2026-03-01T13:00:00.000000Z")


async def read(answer):
    return b"".join([piece async for piece in answer.streaming_content]).decode()


@pytest.mark.django_db(transaction=True)
async def test_a_time_of_one_start_as_text(alice, whisper):
    from asgiref.sync import sync_to_async

    @sync_to_async
    def ask():
        replica = ReplicaFactory(endpoint=whisper, number=1)
        write(replica, "a", "b", "c")
        write(replica, "d", attempt=2, hour=1)
        return caller(alice).get(
            "/v1/logs/whisper/download?begin_time=2026-03-01T12:00:01Z"
            "&end_time=2026-03-01T12:00:02Z&attempt=1"
        )

    assert await read(await ask()) == (
        "# Replica 1, start 1\n2026-03-01T12:00:01.000Z r1 stdout b\n"
    )


def test_nobody_elses_and_only_what_makes_sense(alice, bob, whisper):
    for path in ("search", "attempts", "download"):
        assert caller(bob).get(f"/v1/logs/whisper/{path}").status_code == 404
    for asked in ("cursor=abc", "level=loud", "by=me", "begin_time=x", "max_lines=0"):
        answer = caller(alice).get(f"/v1/logs/whisper/search?{asked}")
        assert answer.status_code == 400, asked
        assert asked.split("=")[0] in answer.json()["error"]["fields"]
