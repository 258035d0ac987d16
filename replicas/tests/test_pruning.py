"""What is history goes, a few rows at a time; what anybody needs stays."""

from datetime import timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from endpoints.models import (
    AccessKey,
    AsyncRequest,
    Endpoint,
    Event,
    Pass,
    Revision,
    ShareLink,
)
from endpoints.tests.factories import AccessKeyFactory, EndpointFactory
from replicas import pruning
from replicas.metrics import rollup
from replicas.models import Replica, Sample
from replicas.states import ReplicaState
from replicas.tests.factories import ReplicaFactory

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def places(settings, tmp_path):
    settings.ALIGHT_LOG_DIR = tmp_path / "logs"
    settings.ALIGHT_ASYNC_DIR = tmp_path / "async"
    settings.ALIGHT_HISTORY_DAYS, settings.ALIGHT_LOG_DAYS = 90, 30


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def endpoint():
    made = EndpointFactory()
    Event.objects.all().delete()
    return made


def prune(now, kind, **changes):
    """How many of one kind went; all kinds have their turn."""
    done = {one.kind: one for one in pruning.prune(now, **changes)}
    assert len(done) == len(pruning._KINDS)
    return done[kind].count


def test_old_events_go_but_the_newest_of_each_endpoint(now, endpoint):
    old = [Event(endpoint=endpoint, reason="X", at=now - 91 * DAY) for _ in range(500)]
    young = [Event(endpoint=endpoint, reason="X", at=now - 89 * DAY) for _ in range(20)]
    Event.objects.bulk_create([*old, *young])
    quiet = EndpointFactory()
    Event.objects.filter(endpoint=quiet).delete()
    Event.objects.create(endpoint=quiet, reason="X", at=now - 400 * DAY)
    assert prune(now, "events", dry_run=True) == 470
    assert Event.objects.count() == 521
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert prune(now, "events") == 470
    deletes = [
        q["sql"]
        for q in queries
        if q["sql"].startswith('DELETE FROM "endpoints_event"')
    ]
    assert len(deletes) == 3  # of at most 200 rows each
    assert Event.objects.filter(endpoint=endpoint).count() == 50
    assert Event.objects.filter(endpoint=quiet).count() == 1


def test_stopped_replicas_go_and_living_ones_never(now, endpoint):
    for number, state, age in (
        (1, ReplicaState.STOPPED, 91),
        (1, ReplicaState.STOPPED, 89),
        (1, ReplicaState.FAILED, 400),
        (2, ReplicaState.READY, 400),
    ):
        made = ReplicaFactory(endpoint=endpoint, number=number)
        Replica.objects.filter(pk=made.pk).update(state=state, since=now - age * DAY)
    assert prune(now, "stopped replicas") == 1
    assert Replica.objects.count() == 3


def test_replicas_stay_as_long_as_their_logs(now, endpoint, settings):
    settings.ALIGHT_LOG_DAYS = 365
    made = ReplicaFactory(endpoint=endpoint)
    Replica.objects.filter(pk=made.pk).update(
        state=ReplicaState.STOPPED, since=now - 300 * DAY
    )
    assert prune(now, "stopped replicas") == 0


def test_revisions_that_serve_run_or_are_gone_back_to_stay(now, endpoint):
    first = Revision.objects.get(endpoint=endpoint)
    for number in range(2, 31):
        Revision.objects.create(
            endpoint=endpoint, number=number, spec=first.spec, tier=first.tier
        )
    Endpoint.objects.update(revision=30)
    endpoint.refresh_from_db()
    assert endpoint.revision == 30
    rows = Revision.objects.filter(endpoint=endpoint)
    rows.update(created_at=now - 100 * DAY, settled_at=None)
    # The newest failed, so number 5 serves; number 3 still has a replica.
    rows.filter(number=30).update(failed_at=now)
    rows.filter(number=5).update(settled_at=now - 99 * DAY)
    rows.filter(number=4).update(settled_at=now - 99.5 * DAY)
    ReplicaFactory(endpoint=endpoint, revision=rows.get(number=3))
    assert prune(now, "unused revisions", dry_run=True) == 18
    assert prune(now, "unused revisions") == 18
    left = sorted(rows.values_list("number", flat=True))
    assert left == [3, 5, *range(21, 31)]
    assert Replica.objects.count() == 1


def test_what_ended_long_ago_goes(now, endpoint):
    user = endpoint.owner
    for changes in (
        {"revoked_at": now - 91 * DAY},
        {"expires_at": now - 91 * DAY},
        {"revoked_at": now - DAY},
        {"expires_at": now + DAY},
        {},
    ):
        AccessKeyFactory(owner=user, **changes)
    for n, changes in enumerate(
        ({"expires_at": now - 91 * DAY}, {"expires_at": now - DAY})
    ):
        link = ShareLink.objects.create(
            endpoint=endpoint, maker=user, digest=str(n), last_four="abcd", **changes
        )
        Pass.objects.create(endpoint=endpoint, link=link, expires_at=now + DAY)
    assert prune(now, "ended links", dry_run=True) == 1
    assert prune(now, "ended tokens") == 2
    assert AccessKey.objects.count() == 3
    assert ShareLink.objects.count() == Pass.objects.count() == 1


def test_sessions_answers_and_metrics(now, endpoint):
    for days in (-1, 1):
        session = SessionStore()
        session.save()
        Session.objects.filter(pk=session.session_key).update(
            expire_date=now + days * DAY
        )
    for days in (-1, 1):
        AsyncRequest.objects.create(
            endpoint=endpoint, method="GET", path="/", expires_at=now + days * DAY
        )
    for hours in (1, 30):
        Sample.objects.create(
            endpoint=endpoint, step=60, at=now - timedelta(hours=hours), data={}
        )
    assert sum(rows.count() for rows in rollup.overdue(now)) == 1
    done = {one.kind: one.count for one in pruning.prune(now)}
    assert done["ended sessions"] == done["answered requests"] == done["metrics"] == 1
    assert Session.objects.count() == AsyncRequest.objects.count() == 1
    assert Sample.objects.count() == 1
    assert set({one.kind: one.count for one in pruning.prune(now)}.values()) == {0}


def test_one_kind_that_fails_keeps_no_other_from_its_turn(now, monkeypatch, caplog):
    def broken(now, dry_run):
        raise OSError(28, "No space left on device")

    kinds = tuple((k, broken if k == "events" else do) for k, do in pruning._KINDS)
    monkeypatch.setattr(pruning, "_KINDS", kinds)
    done = [one.kind for one in pruning.prune(now)]
    assert done == [kind for kind, _ in kinds if kind != "events"]
    assert "Pruning of events failed" in caplog.text


def test_the_command(now, endpoint, capsys):
    AccessKeyFactory(owner=endpoint.owner, revoked_at=now - 91 * DAY)
    call_command("prune", "--dry-run")
    assert "       1  ended tokens\n" in capsys.readouterr().out
    assert AccessKey.objects.count() == 1
    call_command("prune")
    assert AccessKey.objects.count() == 0
    call_command("prune")
    assert "Nothing was due." in capsys.readouterr().out
