"""What earlier states of the code wrote is there after `migrate`: README.md here."""

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from tests.upgrade import fill, keep
from tests.upgrade.house import kept, rows

KEPT = sorted(path.name for path in keep.KEPT.iterdir())
OLDEST = KEPT[0]
OURS = ("console", "templates_app", "endpoints", "replicas")
STATES = [f"kept-{state}" for state in fill.STATES]

# What a migration renamed, took away, and changed on purpose since a state.
RENAMED = {
    OLDEST: {
        ("endpoints_endpoint", "generation"): "revision",
        ("endpoints_endpoint", "observed_generation"): "observed_revision",
    }
}
TAKEN = {OLDEST: {("replicas_replica", "generation")}}
CHANGED = {
    # Volumes got names of their own; “Requests per replica” of 1 said nothing.
    OLDEST: {
        ("endpoints_endpoint", "spec"),
        ("endpoints_endpoint", "concurrency"),
        ("templates_app_template", "concurrency"),
    }
}
# What looking changes.
_LOOKED = {
    ("console_user", "last_login"),
    ("endpoints_accesskey", "last_used_at"),
}
# Whose rows say when and by what they were made.
_OF_THEIR_OWN = {"django_migrations", "sqlite_sequence"}


def missing(name, before, after):
    """What is no more as it was, as "table.column of key"."""
    found = []
    for table, old in before.items():
        if table in _OF_THEIR_OWN:
            continue
        for key, row in old.items():
            new = after.get(table, {}).get(key, {})
            for column, value in row.items():
                place = (table, column)
                if place in _LOOKED | TAKEN.get(name, set()) | CHANGED.get(name, set()):
                    continue
                now = RENAMED.get(name, {}).get(place, column)
                if now not in new or new[now] != value:
                    found.append(f"{table}.{column} of {key}")
    return found


def seen(told):
    """Alice finds what she had, on her pages and by the API."""
    pages, api = told["pages"], told["api"]
    failed = [path for path, page in pages.items() if not page.startswith("200 ")]
    assert failed == []
    assert [n for n in STATES if f"/endpoints/{n}/" not in pages["/endpoints/"]] == []
    for name in STATES:
        assert name in pages[f"/endpoints/{name}/"]
        assert api[f"endpoint/{name}"]["description"] == "Written before the upgrade."
        assert [e["event"]["type"] for e in api[f"events/{name}"]] == [
            "EndpointCreated",
            "ReplicaRunning",
        ]
    assert sorted(one["name"] for one in api["endpoints"]) == sorted(STATES)
    assert "Kept 2" in pages["/templates/"]
    assert "kept" in pages["/tokens/"]
    log = pages["/endpoints/kept-ready/logs.txt"]
    for line in ("Start 1", "Start 2", "Model loaded in 14.2 s ✓"):
        assert line in log
    assert told["opened"] == [fill.SECRET]


@pytest.mark.parametrize("name", KEPT)
def test_everything_is_kept_and_seen(name, tmp_path):
    house = kept(name, tmp_path / "home")
    before = house.rows()
    told = house.look()
    assert missing(name, before, house.rows()) == []
    seen(told)


@pytest.mark.postgres
@pytest.mark.parametrize("name", KEPT)
def test_everything_is_kept_and_seen_on_postgresql(name, tmp_path, postgres_url):
    """As it was in a PostgreSQL of that version."""
    house = kept(name, tmp_path / "home", postgres_url)
    before = rows(house.file)
    told = house.look("--from", str(house.file))
    after = house.rows()
    assert missing(name, before, after) == []
    seen(told)
    # The next replica has a number that none had.
    assert after["sqlite_sequence"]["replicas_replica"]["seq"] >= 500


def test_new_code_that_does_not_do_is_left_again(tmp_path):
    """What it changed on purpose; then back to what the older code has."""
    house = kept(OLDEST, tmp_path / "home")
    before = house.rows()
    house.manage("migrate")
    endpoints = house.rows()["endpoints_endpoint"].values()
    found = {row["name"]: row["concurrency"] for row in endpoints}
    # One at a time was what nobody had said anything about.
    assert found["kept-waiting"] == 16
    assert found["kept-ready"] == 4

    back = [f"{app}={name}" for app, name in last_of(before).items()]
    code, _, said = house.runs("-m", "tests.upgrade.look", "--back", *back)
    assert code == 0, said
    after = house.rows()
    ours = [table for table in before if table.startswith(OURS)]
    assert {t: set(after[t]) for t in ours} == {t: set(before[t]) for t in ours}


def last_of(tables):
    """Our apps' newest migration in a database."""
    found = {}
    for row in tables["django_migrations"].values():
        if row["app"] in OURS:
            found[row["app"]] = row["name"]
    return found


def test_every_migration_has_a_way_back():
    loader = MigrationLoader(None)
    ways = {
        f"{app}.{name}": [op for op in migration.operations if not op.reversible]
        for (app, name), migration in loader.disk_migrations.items()
        if app in OURS
    }
    assert {name: found for name, found in ways.items() if found} == {}


# May be empty everywhere: what nobody fills in, and what excludes another.
_NEVER = {"User.is_active"}


@pytest.mark.django_db
def test_the_filler_knows_every_model_and_field_of_now(tmp_path, settings):
    """So that the state that is kept at the next release has something of each."""
    settings.ALIGHT_LOG_DIR = settings.ALIGHT_ASYNC_DIR = tmp_path
    fill.left_out.clear()
    fill.fill()
    assert fill.left_out == {
        "Endpoint.generation",
        "Endpoint.observed_generation",
        "Replica.generation",
    }
    models = [m for app in OURS for m in apps.get_app_config(app).get_models()]
    empty = []
    for model in (*models, Group, Permission, LogEntry, Session):
        for field in model._meta.get_fields():
            if not getattr(field, "attname", None) or field.auto_created:
                continue
            values = {str(v) for v in model.objects.values_list(field.name, flat=True)}
            if values <= {"None", "", "[]", "{}", str(field.get_default())}:
                empty.append(f"{model.__name__}.{field.name}")
    assert set(empty) - _NEVER == set()
    connection.check_constraints()
